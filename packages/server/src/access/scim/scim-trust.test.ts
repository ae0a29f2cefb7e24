import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onEachDatabase } from '../../testing/databases.ts';
import { sharePoliced } from '../../testing/policies.ts';
import { openRaw } from '../../testing/raw-database.ts';
import { outcome, SESSION, shareScim } from '../../testing/scim.ts';
import { assertStatus } from '../../testing/shared-market.ts';
import { SsoBrowser } from '../../testing/sso-provider.ts';
import { WrittenPast } from '../../testing/written-past.ts';

onEachDatabase('what a provider is trusted with', (createPlace) => {
  const shared = sharePoliced(createPlace);
  const corp = shareScim(shared);
  const { origin, save, scim, expect, patch, user, group, come, comes, rolesOf } = corp;
  const { provider } = corp;

  it('believes no row that was edited, and mends by itself what was cut short', async () => {
    const ivy = await user('ivy');
    const audit = await group('Audit', [ivy.id]);
    const session = await comes('ivy');
    await using raw = await openRaw(shared().place);
    const past = new WrittenPast(raw);
    const row = await past.row('scim_groups', audit.id);
    await past.edit('scim_groups', audit.id, { members: '[]' });
    assert.equal((await patch(`/Groups/${audit.id}`, { op: 'replace', value: { externalId: 'g' } })).status, 409);
    await past.edit('scim_groups', audit.id, row);
    // As it is where the process dies between the group and the roles of those in it.
    await past.edit('scim_groups', audit.id, { members: '[]' });
    await past.mend('scim_groups', audit.id);
    assertStatus(await save(), 200);
    assert.deepEqual(await rolesOf(session), []);
    // Whoever writes himself into a group, or another's person into his, has nothing by it.
    const [jon, kay] = [await user('jon'), await user('kay')];
    const trading = await group('Trading', [kay.id]);
    const [mine, theirs] = [await comes('kay'), await past.row('scim_users', kay.id)];
    await past.edit('scim_groups', trading.id, { members: JSON.stringify([jon.id, kay.id].sort()) });
    assertStatus(await save(), 200);
    assert.equal(await come('jon'), 'SIGN_IN_REFUSED');
    await past.edit('scim_groups', trading.id, { members: JSON.stringify([kay.id]) });
    const [other] = await raw.rows(`select person_id from scim_users where id = '${jon.id}'`);
    await past.edit('scim_users', kay.id, { person_id: 'gone' });
    await past
      .edit('scim_users', jon.id, { person_id: mine.id, sign_on_id: String(theirs['sign_on_id']) })
      .catch(() => {});
    assertStatus(await save(), 200);
    await past.edit('scim_users', jon.id, { person_id: String(other?.['person_id']) });
    await past.edit('scim_users', kay.id, { person_id: mine.id });
    assertStatus(await save(), 200);
    assert.equal(await come('jon'), 'SIGN_IN_REFUSED');
    assert.deepEqual(await rolesOf(mine), ['developer']);
    for (const { id } of [audit, trading]) await expect(204, 'DELETE', `/Groups/${id}`);
  });

  it('takes roles away from rows that were edited too, and gives nobody what was written into them', async () => {
    const [rex, sue] = [await user('rex'), await user('sue')];
    const [audit, trading] = [await group('Audit', [rex.id, sue.id]), await group('Trading', [rex.id])];
    const [session, other] = [await comes('rex'), await comes('sue')];
    await using raw = await openRaw(shared().place);
    const past = new WrittenPast(raw);
    const rows = await raw.rows(`select id, role from role_grants where person_id = '${session.id}'`);
    const idOf = (role: string) => String(rows.find((row) => row['role'] === role)?.['id']);
    const remove = { op: 'remove', path: `members[value eq "${rex.id}"]` };
    const owner = { role: 'owner', project_id: null, environment_id: null };
    // One that looks as it were told at a sign-in, and one that looks as it were given by hand.
    await past.edit('role_grants', idOf('auditor'), { ...owner, expires_at: Date.now() + 3_600_000 });
    await past.edit('role_grants', idOf('developer'), { ...owner, granted_by: session.id });
    assert.deepEqual(await rolesOf(session), []);
    assert.equal((await patch(`/Groups/${trading.id}`, remove)).status, 200);
    const select = `select role from role_grants where person_id = '${session.id}' and state = 'active'`;
    const active = async () => (await raw.rows(select)).map(({ role }) => role);
    assert.deepEqual(await active(), ['auditor']);
    assert.deepEqual(await rolesOf(session), ['auditor']);
    // A group that was edited gives nothing to anybody, and keeps nobody from losing what he loses.
    const members = (await past.row('scim_groups', audit.id))['members'] as string;
    await past.edit('scim_groups', audit.id, { members: members.replace(',', ', ') });
    assert.equal((await patch(`/Groups/${trading.id}`, remove)).status, 200);
    assert.deepEqual([await rolesOf(session), await rolesOf(other)], [[], ['auditor']]);
    await past.edit('scim_groups', audit.id, { members });
    assert.equal((await patch(`/Groups/${audit.id}`, { op: 'add', path: 'members', value: [] })).status, 200);
    assertStatus(await save(), 200);
    assert.deepEqual([await rolesOf(session), await rolesOf(other)], [['auditor'], ['auditor']]);
    // Where it is not known who somebody is, that is said, and done to all the others.
    const before = await past.row('scim_users', rex.id);
    await past.edit('scim_users', rex.id, { person_id: shared().owner.id });
    const emptied = () => patch(`/Groups/${audit.id}`, { op: 'replace', path: 'members', value: [] });
    assert.equal((await emptied()).status, 409);
    assert.deepEqual([await rolesOf(session), await rolesOf(other)], [['auditor'], []]);
    await past.edit('scim_users', rex.id, before);
    // Nor is a group gone while one of whom that is not known has a role by it, however often that is asked.
    const last = { op: 'add', path: 'members', value: [{ value: rex.id }] };
    assert.equal((await patch(`/Groups/${audit.id}`, last)).status, 200);
    await past.edit('scim_users', rex.id, { person_id: shared().owner.id });
    for (let i = 0; i < 2; i++) assert.equal((await scim('DELETE', `/Groups/${audit.id}`)).status, 409);
    await past.edit('scim_users', rex.id, before);
    assert.equal((await patch(`/Groups/${audit.id}`, remove)).status, 200);
    assert.deepEqual(await rolesOf(session), []);
    // Nor does he keep anything whose own row was edited.
    assert.equal(
      (await patch(`/Groups/${audit.id}`, { op: 'add', path: 'members', value: [{ value: rex.id }] })).status,
      200,
    );
    await past.edit('people', session.id, { state: 'removed' });
    assert.equal((await patch(`/Groups/${audit.id}`, remove)).status, 200);
    assert.deepEqual(await active(), []);
    await past.edit('people', session.id, { state: 'active' });
    for (const { id } of [audit, trading]) await expect(204, 'DELETE', `/Groups/${id}`);
  });

  it('leaves nobody a role of a group that is deleted while he is added to it', async () => {
    const tom = await user('tom');
    const keep = await group('Trading', [tom.id]);
    const session = await comes('tom');
    for (let i = 0; i < 4; i++) {
      const { id } = await group('Audit');
      const add = { op: 'add', path: 'members', value: [{ value: tom.id }] };
      const adding = Array.from({ length: 3 }, () => patch(`/Groups/${id}`, add));
      await expect(204, 'DELETE', `/Groups/${id}`);
      await Promise.all(adding);
      assert.deepEqual(await rolesOf(session), ['developer']);
    }
    await expect(204, 'DELETE', `/Groups/${keep.id}`);
  });

  it('says again that somebody is out, also to whom another let back; and of two the last one lets him back', async () => {
    const { owner } = shared();
    assertStatus(await save({ onDeactivated: 'suspend' }), 200);
    assertStatus(await save({ onDeactivated: 'suspend' }, 'second'), 200);
    const second = await corp.provisioning('second');
    const uma = await user('uma');
    const audit = await group('Audit', [uma.id]);
    const session = await comes('uma');
    const there = await scim('POST', '/Users', { userName: 'uma', externalId: 'uma' }, second);
    const says = async (active: boolean, by?: string): Promise<boolean> => {
      const body = { Operations: [{ op: 'replace', value: { active } }] };
      const path = `/Users/${by === undefined ? uma.id : there.body.id}`;
      return (await scim('PATCH', path, body, by)).body.active;
    };
    const stateOf = async () => (await corp.personNamed('uma')).state;
    const resume = () => owner.call('POST', `/v1/people/${session.id}/resume`, {}, { confirm: true });
    for (const [first, last] of [
      [undefined, second],
      [second, undefined],
    ]) {
      await says(false);
      await says(false, second);
      assert.equal(await says(true, first), false);
      assert.equal(await stateOf(), 'suspended');
      assert.equal(await says(true, last), true);
      assert.equal(await stateOf(), 'active');
    }
    await says(false);
    assertStatus(await resume(), 200);
    await patch(`/Users/${uma.id}`, { op: 'replace', path: 'displayName', value: 'uma' });
    assert.equal(await stateOf(), 'active');
    await says(false);
    assert.equal(await stateOf(), 'suspended');
    // Whom somebody here suspended no provider lets back, whatever it said meanwhile.
    await says(true);
    assertStatus(await owner.call('POST', `/v1/people/${session.id}/suspend`, {}), 200);
    await says(false, second);
    await says(true, second);
    assert.equal(await stateOf(), 'suspended');
    assertStatus(await resume(), 200);
    await expect(204, 'DELETE', `/Groups/${audit.id}`);
    assertStatus(await owner.call('DELETE', '/v1/sign-on/second', {}), 200);
    assertStatus(await save(), 200);
  });

  it('takes what it takes also where somebody signs in at that moment, and where the call is repeated', async () => {
    const lou = await user('lou');
    const audit = await group('Audit', [lou.id]);
    const session = await comes('lou');
    const remove = { op: 'remove', path: `members[value eq "${lou.id}"]` };
    const add = { op: 'add', path: 'members', value: [{ value: lou.id }] };
    for (let i = 0; i < 4; i++) {
      const coming = Array.from({ length: 2 }, () => come('lou'));
      assert.equal((await patch(`/Groups/${audit.id}`, remove)).status, 200);
      await Promise.all(coming);
      assert.deepEqual(await rolesOf(session), []);
      assert.equal((await patch(`/Groups/${audit.id}`, add)).status, 200);
    }
    // As it is where the process dies between the group and the role: the provider asks again.
    await using raw = await openRaw(shared().place);
    const past = new WrittenPast(raw);
    await past.edit('scim_groups', audit.id, { members: '[]' });
    await past.mend('scim_groups', audit.id);
    assert.deepEqual(await rolesOf(session), ['auditor']);
    assert.equal((await patch(`/Groups/${audit.id}`, remove)).status, 200);
    assert.deepEqual(await rolesOf(session), []);
    assert.equal((await patch(`/Groups/${audit.id}`, add)).status, 200);
    await expect(204, 'DELETE', `/Groups/${audit.id}`);
    assert.deepEqual(await rolesOf(session), []);
  });

  it('is heard on when whoever made its token is off-boarded by it, and is of an owner for good', async () => {
    const { owner, enrol } = shared();
    const maker = await enrol({ role: 'owner' });
    const path = '/v1/sign-on/corp/provisioning-tokens';
    const { secret, token: made } = assertStatus(await maker.call('POST', path, {}, { confirm: true }), 201);
    const link = await maker.call('POST', '/v1/session/identities', { name: 'corp' }, { confirm: true });
    provider().accounts.set('maker', {});
    const browser = new SsoBrowser();
    browser.setCookie(origin(), SESSION, maker.session);
    await browser.go(origin() + assertStatus(link, 201).path, 'maker', (url) => url.startsWith(`${origin()}/account`));
    const body = { userName: 'maker', externalId: 'maker' };
    const kept = (await scim('POST', '/Users', body, secret)).body;
    const left = await scim('DELETE', `/Users/${kept.id}`, undefined, secret);
    assert.equal(left.status, 204);
    assert.equal(outcome(await maker.call('GET', '/v1/session')), '401 UNAUTHENTICATED');
    assert.equal((await scim('GET', '/Users', undefined, secret)).status, 200);
    const { items } = assertStatus(await owner.call('GET', '/v1/offboardings'), 200);
    assert.deepEqual(items[0].kept, [made.id]);
    const guest = await enrol({ role: 'owner', expiresAt: new Date(Date.now() + 3_600_000).toISOString() });
    assert.equal(outcome(await guest.call('POST', path, {}, { confirm: true })), '403 FORBIDDEN');
  });

  it('refuses what it does not understand, and what would hold everything up, before anything changes', async () => {
    const mia = await user('mia');
    const { id } = await group('Odd', [mia.id]);
    const core = 'urn:ietf:params:scim:schemas:core:2.0';
    for (const [path, operation, scimType] of [
      [`/Groups/${id}`, { op: 'remove', path: `members[type eq "User" and value eq "${mia.id}"]` }, 'invalidPath'],
      [`/Groups/${id}`, { op: 'replace', path: `members[value eq "${mia.id}"]`, value: 1 }, 'invalidPath'],
      [`/Users/${mia.id}`, { op: 'replace', path: 'active', value: null }, 'invalidValue'],
      [`/Users/${mia.id}`, { op: 'replace', path: 'active.x', value: false }, 'invalidPath'],
      [`/Users/${mia.id}`, { op: 'remove', path: 'userName' }, 'invalidValue'],
      [`/Users/${mia.id}`, { op: 'move', path: 'userName' }, 'invalidSyntax'],
    ] as const) {
      const answer = await patch(path, operation);
      assert.deepEqual([answer.status, answer.body.scimType], [400, scimType], JSON.stringify(operation));
    }
    assert.equal((await expect(200, 'GET', `/Groups/${id}`)).members.length, 1);
    const named = await patch(`/Users/${mia.id}`, { op: 'replace', path: `${core}:User:displayName`, value: 'Mia X' });
    assert.equal(named.body.displayName, 'Mia X');
    const value = { [`${core}:User:active`]: true, name: { givenName: 'Mia', familyName: 'Y' } };
    assert.equal((await patch(`/Users/${mia.id}`, { op: 'replace', value })).body.displayName, 'Mia Y');
    const many = Array.from({ length: 20_000 }, (_, i) => `m${i}`);
    const adds = Array.from({ length: 20 }, (_, i) => ({
      op: 'add',
      path: 'members',
      value: many.map((one) => `${one}${i}`),
    }));
    assert.equal((await patch(`/Groups/${id}`, ...adds)).status, 413);
    for (const filter of ['userName eq "\u0000"', '\u0000', 'userName eq "'])
      assert.equal((await scim('GET', `/Users?filter=${encodeURIComponent(filter)}`)).status, 400, filter);
    assert.equal((await scim('GET', '/Users?filter=%00')).status, 400);
    const none = await scim('GET', '/Nothing');
    assert.deepEqual([none.status, none.body.schemas[0].endsWith(':Error')], [404, true]);
    assert.equal((await expect(200, 'GET', `/Schemas/${core}:User`)).name, 'User');
  });

  it('is taken over by who was invited here before, where nobody came in by it', async () => {
    const { enrol } = shared();
    const nia = await enrol({ role: 'developer' });
    const kept = await user('nia');
    const asked = await nia.call('POST', '/v1/session/identities', { name: 'corp' }, { confirm: true });
    provider().accounts.set('nia', {});
    const browser = new SsoBrowser();
    browser.setCookie(origin(), SESSION, nia.session);
    const isBack = (url: string) => url.startsWith(`${origin()}/sign-in#`) || url === `${origin()}/account`;
    assert.equal(await browser.go(origin() + assertStatus(asked, 201).path, 'nia', isBack), `${origin()}/account`);
    assert.equal((await comes('nia')).id, nia.id);
    await expect(204, 'DELETE', `/Users/${kept.id}`);
    assert.equal(outcome(await nia.call('GET', '/v1/session')), '401 UNAUTHENTICATED');
  });
});
