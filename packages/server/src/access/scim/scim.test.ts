import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onEachDatabase } from '../../testing/databases.ts';
import { sharePoliced } from '../../testing/policies.ts';
import { outcome, ROLES, shareScim, USER } from '../../testing/scim.ts';
import { assertStatus } from '../../testing/shared-market.ts';

onEachDatabase('a provider that keeps its people here', (createPlace) => {
  const shared = sharePoliced(createPlace);
  const corp = shareScim(shared);
  const { origin, save, provisioning, scim, expect, patch, user, group, come, comes, rolesOf, personNamed } = corp;

  it('makes people, and finds them: by name in any case, by what it calls them, page by page', async () => {
    const ann = await user('ann', { name: { formatted: 'Ann Ex' }, emails: [{ value: 'a@x', primary: true }] });
    const ben = await user('ben', { displayName: undefined, name: { givenName: 'Ben', familyName: 'Ex' } });
    assert.deepEqual([ann.schemas, ann.active, ann.displayName, ben.displayName], [[USER], true, 'ann', 'Ben Ex']);
    assert.equal(ann.meta.location, `${origin()}/scim/v2/Users/${ann.id}`);
    assert.deepEqual(await expect(200, 'GET', `/Users/${ann.id}`), ann);
    const found = (filter: string) => expect(200, 'GET', `/Users?filter=${encodeURIComponent(filter)}`);
    assert.equal((await found('userName eq "ANN@corp.EXAMPLE"')).Resources[0].id, ann.id);
    assert.equal((await found('externalid EQ "ben"')).Resources[0].id, ben.id);
    assert.deepEqual((await found('userName eq "nobody"')).Resources, []);
    const pages = [];
    for (const index of [1, 2]) pages.push(await expect(200, 'GET', `/Users?startIndex=${index}&count=1`));
    assert.deepEqual(
      pages.map(({ totalResults, itemsPerPage, Resources }) => [totalResults, itemsPerPage, Resources[0].id]),
      [
        [2, 1, ann.id],
        [2, 1, ben.id],
      ],
    );
    const twice = await scim('POST', '/Users', { userName: 'Ann@CORP.example' });
    assert.deepEqual([twice.status, twice.body.scimType], [409, 'uniqueness']);
    for (const [filter, scimType] of [
      ['name.x eq "a"', 'invalidFilter'],
      ['userName co "a"', 'invalidFilter'],
    ] as const) {
      const answer = await scim('GET', `/Users?filter=${encodeURIComponent(filter)}`);
      assert.deepEqual([answer.status, answer.body.scimType], [400, scimType]);
    }
    for (const body of [{}, { userName: 7 }, { userName: 'x', active: 'maybe' }, { userName: 'x'.repeat(300) }])
      assert.deepEqual([(await scim('POST', '/Users', body)).status], [400], JSON.stringify(body));
  });

  it('gives the roles of its groups at once, without a sign-in, and takes them so', async () => {
    const cyd = await user('cyd');
    assert.equal(await come('cyd'), 'SIGN_IN_REFUSED');
    const trading = await group('Trading', [cyd.id]);
    const audit = await group('Audit');
    const session = await comes('cyd');
    assert.deepEqual(await rolesOf(session), ['developer']);
    const add = { op: 'Add', path: 'members', value: [{ value: cyd.id }] };
    assert.equal((await patch(`/Groups/${audit.id}`, add)).status, 200);
    assert.deepEqual(await rolesOf(session), ['auditor', 'developer']);
    // Signing in does not end what it is told of here.
    assert.deepEqual(await rolesOf(await comes('cyd')), ['auditor', 'developer']);
    const remove = { op: 'Remove', path: `members[value eq "${cyd.id}"]` };
    assert.equal((await patch(`/Groups/${trading.id}`, remove)).status, 200);
    assert.deepEqual(await rolesOf(session), ['auditor']);
    // Under another name it gives something else; what the mapping gives is given when it is saved.
    assert.equal((await patch(`/Groups/${audit.id}`, { op: 'replace', value: { displayName: 'Desk' } })).status, 200);
    assert.deepEqual(await rolesOf(session), []);
    assertStatus(await save({ roles: [...ROLES, { group: 'Desk', role: 'support' }] }), 200);
    assert.deepEqual(await rolesOf(session), ['support']);
    const put = { displayName: 'Desk', members: [] };
    assert.deepEqual((await expect(200, 'PUT', `/Groups/${audit.id}`, put)).members, []);
    assert.deepEqual(await rolesOf(session), []);
    const stranger = await scim('PATCH', `/Groups/${audit.id}`, {
      Operations: [{ op: 'add', path: 'members', value: [{ value: 'scu_nobody' }] }],
    });
    assert.deepEqual([stranger.status, stranger.body.scimType], [400, 'invalidValue']);
    await expect(200, 'PUT', `/Groups/${audit.id}`, { displayName: 'Desk', members: [{ value: cyd.id }] });
    assert.deepEqual(await rolesOf(session), ['support']);
    await expect(204, 'DELETE', `/Groups/${audit.id}`);
    assert.deepEqual(await rolesOf(session), []);
    await expect(404, 'GET', `/Groups/${audit.id}`);
    await expect(204, 'DELETE', `/Groups/${trading.id}`);
    assertStatus(await save(), 200);
  });

  it('gives the first of too many roles in the order of the settings, whatever somebody had before', async () => {
    const { owner } = shared();
    const names = Array.from({ length: 16 }, (_, i) => `r${i + 1}`);
    const about = { actions: ['keys.read'], about: 'test' };
    for (const name of names)
      assertStatus(await owner.call('PUT', `/v1/custom-roles/${name}`, about, { confirm: true }), 200);
    const ida = await user('ida');
    await group('Wide', [ida.id]);
    const named = async (order: readonly string[]) => {
      assertStatus(await save({ roles: order.map((role) => ({ group: 'Wide', role })) }), 200);
      const { roles } = await personNamed('ida');
      return roles.map(({ role }: { role: string }) => role).sort();
    };
    assert.deepEqual(await named(names), names.slice(0, 15).sort());
    assert.deepEqual(await named(names.toReversed()), names.slice(1).sort());
    assertStatus(await save(), 200);
  });

  it('loses none of many changes at a moment', async () => {
    const users = [];
    for (let i = 0; i < 12; i++) users.push((await user(`many${i}`)).id as string);
    const { id } = await group('Many');
    await Promise.all(users.map((value) => patch(`/Groups/${id}`, { op: 'add', path: 'members', value: [{ value }] })));
    const { members } = await expect(200, 'GET', `/Groups/${id}`);
    assert.deepEqual(members.map(({ value }: { value: string }) => value).sort(), users.sort());
    assert.equal((await expect(200, 'GET', `/Groups/${id}?excludedAttributes=members`)).members, undefined);
  });

  it('off-boards whom it deactivates or deletes: all that he has and made ends, and he does not come back', async () => {
    const { owner } = shared();
    const [dan, eve] = [await user('dan'), await user('eve')];
    const audit = await group('Audit', [dan.id, eve.id]);
    for (const [who, login, leave] of [
      [dan, 'dan', () => patch(`/Users/${dan.id}`, { op: 'Replace', path: 'active', value: 'False' })],
      [eve, 'eve', () => scim('DELETE', `/Users/${eve.id}`)],
    ] as const) {
      const session = await comes(login);
      assert.ok((await leave()).status < 300);
      assert.equal(outcome(await session.call('GET', '/v1/session')), '401 UNAUTHENTICATED');
      assert.equal(await come(login), 'SIGN_IN_REFUSED');
      const { items } = assertStatus(await owner.call('GET', '/v1/offboardings'), 200);
      const [{ of, state, reason }] = items;
      assert.deepEqual([of, state, /(deactivated|deleted) at corp/.test(reason)], [session.id, 'done', true]);
      const again = await scim('POST', '/Users', { userName: `again-${login}`, externalId: login });
      assert.deepEqual([again.status, again.body.scimType], [409, 'uniqueness'], who.id);
    }
    const back = await patch(`/Users/${dan.id}`, { op: 'replace', path: 'active', value: true });
    assert.equal(back.status, 409);
    assert.equal((await expect(200, 'GET', `/Users/${dan.id}`)).active, false);
    await expect(404, 'GET', `/Users/${eve.id}`);
    const { members } = await expect(200, 'GET', `/Groups/${audit.id}`);
    assert.deepEqual(
      members.map(({ value }: { value: string }) => value),
      [dan.id],
    );
    await expect(204, 'DELETE', `/Groups/${audit.id}`);
  });

  it('or suspends them, where that was chosen; whom somebody here suspended it does not let back', async () => {
    const { owner } = shared();
    assertStatus(await save({ onDeactivated: 'suspend' }), 200);
    const fay = await user('fay');
    const audit = await group('Audit', [fay.id]);
    const session = await comes('fay');
    const active = (value: boolean) => patch(`/Users/${fay.id}`, { op: 'replace', value: { active: value } });
    assert.equal((await active(false)).body.active, false);
    assert.equal(outcome(await session.call('GET', '/v1/session')), '401 UNAUTHENTICATED');
    assert.equal(await come('fay'), 'SIGN_IN_REFUSED');
    assert.equal((await active(true)).body.active, true);
    const again = await comes('fay');
    const byHand = () => owner.call('POST', `/v1/people/${again.id}/suspend`, {});
    const resume = () => owner.call('POST', `/v1/people/${again.id}/resume`, {}, { confirm: true });
    // Before the provider did, or after it.
    for (const steps of [
      [byHand, () => active(false)],
      [() => active(false), byHand],
    ] as const) {
      for (const step of steps) assert.ok((await step()).status < 300);
      assert.equal((await active(true)).body.active, false);
      assert.equal(await come('fay'), 'SIGN_IN_REFUSED');
      assertStatus(await resume(), 200);
      await comes('fay');
    }
    // A change of something else that was under way lets nobody back, nor does leaving `active` out.
    const rename = () => patch(`/Users/${fay.id}`, { op: 'replace', path: 'displayName', value: 'Fay' });
    await Promise.all([active(false), rename(), rename(), rename()]);
    assert.equal((await scim('PUT', `/Users/${fay.id}`, { userName: 'fay@Corp.example' })).body.active, false);
    assert.equal(await come('fay'), 'SIGN_IN_REFUSED');
    // Somebody whose first day is yet to come.
    const gil = await user('gil', { active: false });
    assert.equal(gil.active, false);
    await expect(200, 'PATCH', `/Groups/${audit.id}`, {
      Operations: [{ op: 'add', path: 'members', value: [{ value: gil.id }] }],
    });
    assert.equal(await come('gil'), 'SIGN_IN_REFUSED');
    assert.equal((await patch(`/Users/${gil.id}`, { op: 'replace', path: 'active', value: 'True' })).body.active, true);
    await comes('gil');
    await expect(204, 'DELETE', `/Groups/${audit.id}`);
    assertStatus(await save(), 200);
  });

  it('leaves no session of whoever signs in while he is off-boarded', async () => {
    const { owner } = shared();
    const gus = await user('gus');
    const audit = await group('Audit', [gus.id]);
    await comes('gus');
    const coming = Array.from({ length: 8 }, () => come('gus').catch(() => 'late'));
    await scim('DELETE', `/Users/${gus.id}`);
    for (const person of await Promise.all(coming)) {
      if (typeof person === 'string') continue;
      assert.equal(outcome(await person.call('GET', '/v1/session')), '401 UNAUTHENTICATED');
    }
    const gone = await personNamed('gus');
    assert.deepEqual([gone.state, gone.roles], ['removed', []]);
    assert.ok((await owner.call('GET', '/v1/people')).status === 200);
    await expect(204, 'DELETE', `/Groups/${audit.id}`);
  });

  it('opens to the token of just that provider, and to nothing else', async () => {
    const { owner, token: make } = shared();
    const admin = await make(['admin']);
    for (const by of ['', 'x', admin.secret, owner.session])
      assert.equal((await scim('GET', '/Users', undefined, by)).status, 401);
    // It opens nothing else, and nobody makes another like it.
    const { controlUrl } = shared().installation;
    for (const path of ['/v1/people', '/v1/projects', '/v1/keys', '/v1/sign-on']) {
      const answer = await fetch(controlUrl + path, { headers: { authorization: `Bearer ${corp.token()}` } });
      assert.equal(answer.status, 403, path);
    }
    const scoped = await owner.call('POST', '/v1/tokens', { name: 'x', scopes: ['scim'] }, { confirm: true });
    assert.equal(outcome(scoped), '400 INVALID_INPUT');
    // Another provider's people are not there.
    assertStatus(await save({ issuer: 'https://other.example', roles: [] }, 'second'), 200);
    const second = await provisioning('second');
    const mine = await user('hal');
    assert.equal((await scim('GET', '/Users', undefined, second)).body.totalResults, 0);
    const ours = await group('Ours', [mine.id]);
    const bodies = {
      Users: { PUT: { userName: 'taken' }, PATCH: { Operations: [{ op: 'replace', value: { active: false } }] } },
      Groups: { PUT: { displayName: 'x' }, PATCH: { Operations: [{ op: 'remove', path: 'members' }] } },
    } as const;
    for (const [kind, id] of [
      ['Users', mine.id],
      ['Groups', ours.id],
    ] as const) {
      for (const method of ['GET', 'PUT', 'PATCH', 'DELETE'] as const) {
        const body = method === 'PUT' || method === 'PATCH' ? bodies[kind][method] : undefined;
        assert.equal((await scim(method, `/${kind}/${id}`, body, second)).status, 404, `${method} ${kind}`);
      }
    }
    assert.equal((await expect(200, 'GET', `/Groups/${ours.id}`)).members.length, 1);
    assert.equal((await expect(200, 'GET', `/Users/${mine.id}`)).active, true);
    await expect(204, 'DELETE', `/Groups/${ours.id}`);
    const member = { displayName: 'Audit', members: [{ value: mine.id }] };
    assert.equal((await scim('POST', '/Groups', member, second)).status, 400);
    assertStatus(await owner.call('DELETE', '/v1/sign-on/second', {}), 200);
    assert.equal((await scim('GET', '/Users', undefined, second)).status, 401);
    for (const path of ['/ServiceProviderConfig', '/ResourceTypes', '/Schemas']) await expect(200, 'GET', path);
    const bad = await fetch(`${controlUrl}/scim/v2/Users`, {
      ...{ method: 'POST', headers: { authorization: `Bearer ${corp.token()}` }, body: '{"userName": ' },
    });
    assert.deepEqual([bad.status, ((await bad.json()) as { scimType: string }).scimType], [400, 'invalidSyntax']);
  });
});
