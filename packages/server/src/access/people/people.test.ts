import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onEachDatabase } from '../../testing/databases.ts';
import { moveClock } from '../../testing/moved-clock.ts';
import { enrolPerson, type PersonAnswer, TestPerson } from '../../testing/person.ts';
import { openRaw } from '../../testing/raw-database.ts';
import { shareSignedIn } from '../../testing/signed-in.ts';
import { WrittenPast } from '../../testing/written-past.ts';

const HOUR_MS = 3_600_000;

onEachDatabase('people', (createPlace) => {
  const shared = shareSignedIn(createPlace);
  const newPerson = (role: object) => enrolPerson(shared().installation, shared().owner, role);
  const isIn = async (person: TestPerson) => (await person.call('GET', '/v1/session')).status === 200;
  const invite = (by: TestPerson, role: object) =>
    by.call('POST', '/v1/people', { name: 'Invited', reason: 'test', ...role }, { confirm: true });
  const enrolWith = async (invited: PersonAnswer): Promise<[TestPerson, number]> => {
    const person = new TestPerson(shared().installation);
    return [person, (await person.enrol(invited.body.secret)).status];
  };
  const grant = (by: TestPerson, to: TestPerson, role: object) =>
    by.call('POST', `/v1/people/${to.id}/roles`, { reason: 'test', ...role }, { confirm: true });

  it('an invitation lets one person in, once, with the role that it was made with', async () => {
    const { owner } = shared();
    const invited = await invite(owner, { role: 'support', reason: 'joins the desk' });
    assert.equal(invited.body.url.split('#')[1], invited.body.secret);
    assert.deepEqual([invited.body.person.state, invited.body.person.passkeys], ['invited', 0]);
    const [person, status] = await enrolWith(invited);
    assert.equal(status, 201);
    assert.equal((await enrolWith(invited))[1], 401);
    const { roles } = (await person.call('GET', '/v1/session')).body;
    assert.deepEqual(
      [roles.length, roles[0].role, roles[0].reason, roles[0].grantedBy],
      [1, 'support', 'joins the desk', owner.id],
    );
    assert.equal((await person.call('GET', '/v1/keys')).status, 200);
    assert.equal((await person.call('GET', '/v1/people')).status, 403);
  });

  it('a gift repeated under its Idempotency-Key is answered as given, also after its end', async () => {
    const { owner } = shared();
    const gift = { role: 'auditor', reason: 'test', expiresAt: new Date(Date.now() + 60_000).toISOString() };
    const give = async (path: string, body: object, key: string) => {
      const headers = { 'idempotency-key': key };
      const { status, body: made } = await owner.call('POST', path, body, { confirm: true, headers });
      return [status, made.code ?? (made.person ?? made.grant).id];
    };
    const invite = () => give('/v1/people', { name: 'Guest', ...gift }, 'guest');
    const [invited, person] = await invite();
    const grant = () => give(`/v1/people/${person}/roles`, { ...gift, role: 'developer' }, 'more');
    const [granted, id] = await grant();
    assert.deepEqual([invited, granted], [201, 201]);
    using _ = moveClock(120_000);
    assert.deepEqual(await invite(), [200, person]);
    assert.deepEqual(await grant(), [200, id]);
    assert.deepEqual(await give('/v1/people', { name: 'Guest', ...gift }, 'another'), [400, 'INVALID_INPUT']);
  });

  it('an invitation is over after three days, once its person is more than he was, and with whoever made it', async () => {
    const { owner } = shared();
    const late = await invite(owner, { role: 'auditor' });
    {
      using _ = moveClock(72 * HOUR_MS);
      assert.equal((await enrolWith(late))[1], 401);
    }
    const raised = await invite(owner, { role: 'auditor' });
    const path = `/v1/people/${raised.body.person.id}/roles`;
    assert.equal((await owner.call('POST', path, { role: 'owner', reason: 'x' }, { confirm: true })).status, 201);
    assert.equal((await enrolWith(raised))[1], 401);
    const again = await owner.call('POST', `/v1/people/${raised.body.person.id}/invite`, {}, { confirm: true });
    assert.equal((await enrolWith(again))[1], 201);
    const administrator = await newPerson({ role: 'administrator' });
    const theirs = await invite(administrator, { role: 'developer' });
    await owner.call('POST', `/v1/people/${administrator.id}/suspend`, {});
    assert.equal((await enrolWith(theirs))[1], 409);
  });

  it('who enrols anew has nothing left of what he had', async () => {
    const { owner } = shared();
    const person = await newPerson({ role: 'developer' });
    const again = await owner.call('POST', `/v1/people/${person.id}/invite`, {}, { confirm: true });
    assert.equal(await isIn(person), true);
    const [renewed] = await enrolWith(again);
    assert.equal(renewed.id, person.id);
    assert.equal(await isIn(person), false);
    assert.equal((await person.signIn()).status, 401);
    assert.equal((await renewed.signIn()).status, 200);
  });

  it('nobody gives more than he has, nor to himself, nor takes over who is more', async () => {
    const { owner } = shared();
    const administrator = await newPerson({ role: 'administrator' });
    for (const role of ['owner', 'security-officer']) {
      const refused = await invite(administrator, { role });
      assert.deepEqual([refused.status, refused.body.code], [403, 'FORBIDDEN'], role);
    }
    for (const role of ['administrator', 'developer', 'support', 'auditor']) {
      assert.equal((await invite(administrator, { role })).status, 201, role);
    }
    assert.equal((await grant(administrator, administrator, { role: 'auditor' })).status, 403);
    assert.equal((await grant(owner, owner, { role: 'auditor' })).status, 403);
    const takeOver = await administrator.call('POST', `/v1/people/${owner.id}/invite`, {}, { confirm: true });
    assert.equal(takeOver.status, 403);
    const second = await newPerson({ role: 'owner' });
    assert.equal((await owner.call('POST', `/v1/people/${second.id}/suspend`, {})).status, 200);
    const resumed = await administrator.call('POST', `/v1/people/${second.id}/resume`, {}, { confirm: true });
    assert.equal(resumed.status, 403);
    await owner.call('DELETE', `/v1/people/${second.id}`);
  });

  it('an invitation is worth what its giver may still give', async () => {
    const { owner } = shared();
    const other = await newPerson({ role: 'owner' });
    const developer = await newPerson({ role: 'developer' });
    const [invited, again] = [
      await invite(other, { role: 'owner' }),
      await other.call('POST', `/v1/people/${developer.id}/invite`, {}, { confirm: true }),
    ];
    const [role] = (await other.call('GET', '/v1/session')).body.roles;
    assert.equal((await owner.call('DELETE', `/v1/roles/${role.id}`)).status, 200);
    for (const one of [invited, again]) assert.equal((await enrolWith(one))[1], 409);
    assert.equal(await isIn(developer), true);
    // Not even for one who has no role himself.
    const administrator = await newPerson({ role: 'administrator' });
    const bare = await invite(administrator, { role: 'support' });
    const held = (await administrator.call('GET', '/v1/session')).body.roles;
    for (const { id } of [...bare.body.person.roles, ...held]) await owner.call('DELETE', `/v1/roles/${id}`);
    assert.equal((await enrolWith(bare))[1], 409);
  });

  it('who may give at one place gives nothing at another, and roles that add up to much are not everything', async () => {
    const { owner } = shared();
    await owner.call('POST', '/v1/projects', { slug: 'alpha', name: 'Alpha' });
    const lead = await newPerson({ role: 'auditor' });
    await grant(owner, lead, { role: 'administrator', project: 'alpha' });
    const token = (settings: object) =>
      lead.call('POST', '/v1/tokens', { name: 't', scopes: ['read'], ...settings }, { confirm: true });
    assert.equal((await token({})).status, 403);
    assert.equal((await token({ projects: ['alpha'] })).status, 201);
    const friend = await newPerson({ role: 'support', project: 'alpha' });
    assert.equal((await grant(lead, friend, { role: 'auditor' })).status, 403);
    assert.equal((await grant(lead, friend, { role: 'auditor', project: 'alpha' })).status, 201);
    const both = await newPerson({ role: 'administrator' });
    await grant(owner, both, { role: 'security-officer' });
    assert.equal((await invite(both, { role: 'owner' })).status, 403);
    assert.equal((await invite(both, { role: 'security-officer' })).status, 201);
    const all = { name: 't', scopes: ['admin'] };
    assert.equal((await both.call('POST', '/v1/tokens', all, { confirm: true })).status, 403);
    const takeOver = await both.call('POST', `/v1/people/${owner.id}/invite`, {}, { confirm: true });
    assert.equal(takeOver.status, 403);
    assert.equal((await owner.call('POST', '/v1/tokens', all, { confirm: true })).status, 201);
  });

  it('a role that is over hinders nobody', async () => {
    const { owner } = shared();
    const administrator = await newPerson({ role: 'administrator' });
    const person = await newPerson({ role: 'support' });
    const expiresAt = new Date(Date.now() + HOUR_MS).toISOString();
    for (let i = 0; i < 14; i++) {
      assert.equal((await grant(owner, person, { role: 'owner', expiresAt })).status, 201, `${i}`);
    }
    assert.equal((await grant(owner, person, { role: 'auditor' })).status, 409);
    const reinvite = () => administrator.call('POST', `/v1/people/${person.id}/invite`, {}, { confirm: true });
    assert.equal((await reinvite()).status, 403);
    using _ = moveClock(HOUR_MS);
    await owner.signIn();
    await administrator.signIn();
    assert.equal((await reinvite()).status, 200);
    assert.equal((await grant(owner, person, { role: 'auditor' })).status, 201);
    const removed = await owner.call('DELETE', `/v1/people/${person.id}`);
    assert.equal(removed.status, 200, JSON.stringify(removed.body));
  });

  it('a role is of its place and time, and what it gives on is too', async () => {
    const { owner } = shared();
    await owner.call('POST', '/v1/projects', { slug: 'mine', name: 'Mine' });
    await owner.call('POST', '/v1/projects', { slug: 'theirs', name: 'Theirs' });
    const environment = { name: 'live', prefix: 'mine_live' };
    await owner.call('POST', '/v1/projects/mine/environments', environment);
    const expiresAt = new Date(Date.now() + HOUR_MS).toISOString();
    const lead = await newPerson({ role: 'administrator', project: 'mine', expiresAt });
    const projects = async (who: TestPerson) =>
      (await who.call('GET', '/v1/projects')).body.items.map(({ slug }: { slug: string }) => slug);
    assert.deepEqual(await projects(lead), ['mine']);
    assert.equal((await lead.call('GET', '/v1/projects/theirs/environments')).status, 404);
    const auditor = await newPerson({ role: 'auditor' });
    const given = (more: object) => grant(lead, auditor, { role: 'developer', expiresAt, ...more });
    assert.equal((await given({ project: 'theirs' })).status, 404);
    assert.equal((await given({})).status, 403);
    const forEver = await grant(lead, auditor, { role: 'developer', project: 'mine' });
    assert.deepEqual([forEver.status, forEver.body.field], [403, '/expiresAt']);
    const granted = await given({ environment: 'mine/live' });
    assert.deepEqual([granted.status, granted.body.grant.environment], [201, 'mine/live']);
    const key = { project: 'mine', name: 'bot' };
    const wanted = await auditor.call('POST', '/v1/consumers', key);
    assert.equal(wanted.status, 201, JSON.stringify(wanted.body));
    assert.equal((await auditor.call('POST', '/v1/consumers', { project: 'theirs', name: 'bot' })).status, 404);
    assert.equal((await given({ role: 'support', project: 'mine' })).status, 201);
    const ended = await lead.call('DELETE', `/v1/roles/${granted.body.grant.id}`);
    const held = (answer: PersonAnswer) => answer.body.person.roles.map(({ role }: { role: string }) => role);
    assert.deepEqual(held(ended), ['support'], 'what he is elsewhere is not of this project');
    assert.deepEqual(held(await owner.call('GET', `/v1/people/${auditor.id}`)), ['auditor', 'support']);
    assert.equal((await auditor.call('POST', '/v1/consumers', key)).status, 403);
    assert.equal((await lead.call('POST', '/v1/consumers', key)).status, 201);
    using _ = moveClock(HOUR_MS);
    await lead.signIn();
    assert.equal((await lead.call('POST', '/v1/consumers', key)).status, 403);
  });

  it('a suspended or removed person is out before that is answered, and the tokens that he made are named', async () => {
    const { installation, owner } = shared();
    const person = await newPerson({ role: 'administrator' });
    const token = await person.call('POST', '/v1/tokens', { name: 'his', scopes: ['read'] }, { confirm: true });
    assert.equal(token.status, 201, JSON.stringify(token.body));
    const trusted = { name: 'ci', issuer: 'https://ci.example', audience: 'k', claims: { sub: 'x' }, scopes: ['read'] };
    const workload = await person.call('POST', '/v1/workloads', trusted, { confirm: true });
    const suspended = await owner.call('POST', `/v1/people/${person.id}/suspend`, {});
    assert.deepEqual(suspended.body.tokens, [token.body.token.id]);
    assert.deepEqual(suspended.body.workloads, [workload.body.workload.id]);
    assert.equal(await isIn(person), false);
    assert.equal((await person.signIn()).status, 401);
    await owner.call('POST', `/v1/people/${person.id}/resume`, {}, { confirm: true });
    assert.equal(await isIn(person), false);
    assert.equal((await person.signIn()).status, 200);
    const removed = await owner.call('DELETE', `/v1/people/${person.id}`);
    assert.deepEqual([removed.body.person.state, removed.body.person.roles], ['removed', []]);
    assert.equal(await isIn(person), false);
    assert.equal((await person.signIn()).status, 401);
    // That he is gone is said before anybody confirms what can't be done.
    for (const [verb, body] of [
      ['suspend', {}],
      ['resume', {}],
      ['invite', {}],
      ['roles', { role: 'auditor', reason: 'test' }],
    ] as const) {
      const gone = await owner.call('POST', `/v1/people/${person.id}/${verb}`, body);
      assert.deepEqual([gone.status, gone.body.code], [409, 'ILLEGAL_TRANSITION'], verb);
      assert.match(gone.body.detail, /removed for good/);
    }
    const shown = await owner.call('GET', `/v1/people/${person.id}`);
    assert.deepEqual(shown.body, { person: removed.body.person });
    for (const [method, of] of [
      ['GET', ''],
      ['POST', '/resume'],
    ] as const) {
      const unknown = person.id.replace(/[0-9a-f]{12}$/, '0'.repeat(12));
      const nobody = await owner.call(method, `/v1/people/${unknown}${of}`);
      assert.deepEqual([nobody.status, nobody.body.code], [404, 'PERSON_NOT_FOUND'], method);
    }
    const { secret } = token.body;
    assert.equal((await installation.call('GET', '/v1/projects', undefined, { token: secret })).status, 200);
  });

  it('what a person had confirmed is not done any more once he is suspended', async () => {
    const { owner } = shared();
    for (let round = 0; round < 5; round++) {
      const person = await newPerson({ role: 'administrator' });
      const create = () => person.call('POST', '/v1/tokens', { name: person.id, scopes: ['read'] }, { confirm: true });
      const [suspended] = await Promise.all([
        new Promise((resolve) => setImmediate(resolve)).then(() =>
          owner.call('POST', `/v1/people/${person.id}/suspend`, {}),
        ),
        ...Array.from({ length: 12 }, create),
      ]);
      const { items } = (await owner.call('GET', '/v1/tokens?limit=200')).body;
      const made = items.filter(({ name }: { name: string }) => name === person.id).map(({ id }: { id: string }) => id);
      assert.deepEqual(suspended.body.tokens.sort(), made.sort());
    }
  });

  it('whoever writes rows past the ledger hides nothing from what ends it, and makes nobody less than he is', async () => {
    const { owner, place } = shared();
    await using raw = await openRaw(place);
    const past = new WrittenPast(raw);
    const administrator = await newPerson({ role: 'administrator' });
    const reinvite = (id: string) => administrator.call('POST', `/v1/people/${id}/invite`, {}, { confirm: true });
    // An owner who seems to be no more than support.
    const second = await newPerson({ role: 'owner' });
    const [role] = (await second.call('GET', '/v1/session')).body.roles;
    for (const columns of [{ role: 'support' }, { state: 'ended' }]) {
      await past.edit('role_grants', role.id, columns);
      assert.equal((await reinvite(second.id)).body.code, 'ROW_TAMPERED');
      await past.edit('role_grants', role.id, { role: 'owner', state: 'active' });
    }
    // A thief's passkey and session, hidden while their person enrols anew, and put back.
    const person = await newPerson({ role: 'developer' });
    const { passkeys } = (await person.call('GET', '/v1/session')).body;
    await past.edit('person_passkeys', passkeys[0].id, { state: 'removed' });
    await past.edit('sessions', person.sessionId, { state: 'ended' });
    const [renewed, status] = await enrolWith(await reinvite(person.id));
    assert.equal(status, 201);
    await past.edit('person_passkeys', passkeys[0].id, { state: 'active' });
    await past.edit('sessions', person.sessionId, { state: 'active' });
    assert.equal(await isIn(person), false);
    assert.equal((await person.signIn()).status, 401);
    assert.equal((await renewed.signIn()).status, 200);
    // A session that is hidden while its person is suspended.
    await past.edit('sessions', renewed.sessionId, { state: 'ended' });
    await owner.call('POST', `/v1/people/${person.id}/suspend`, {});
    await past.edit('sessions', renewed.sessionId, { state: 'active' });
    await owner.call('POST', `/v1/people/${person.id}/resume`, {}, { confirm: true });
    assert.equal(await isIn(renewed), false);
    await renewed.signIn();
    // More rows than an entry has room for, and a state that says that there is nothing to do.
    const row = await past.row('sessions', renewed.sessionId);
    for (let i = 0; i < 70; i++) {
      const id = renewed.sessionId.replace(/.{4}$/, `${i}`.padStart(4, '0'));
      if (id === renewed.sessionId) continue;
      const columns = Object.keys(row).map((name) => {
        const value = name === 'id' ? id : name === 'digest' ? `${i}` : row[name];
        return typeof value === 'string' ? `'${value}'` : `${value}`;
      });
      await raw.run(`insert into sessions (${Object.keys(row).join(', ')}) values (${columns.join(', ')})`);
    }
    await past.edit('people', person.id, { state: 'invited' });
    const suspended = await owner.call('POST', `/v1/people/${person.id}/suspend`, {});
    assert.equal(suspended.status, 200, JSON.stringify(suspended.body));
    assert.equal(await isIn(renewed), false);
    const removed = await owner.call('DELETE', `/v1/people/${person.id}`);
    assert.equal(removed.status, 200, JSON.stringify(removed.body));
    await owner.call('DELETE', `/v1/people/${second.id}`);
  });

  it('is suspended whatever was revived past the ledger, and nobody enrols as him afterwards', async () => {
    const { owner, place } = shared();
    await using raw = await openRaw(place);
    const past = new WrittenPast(raw);
    const person = await newPerson({ role: 'developer' });
    const again = await owner.call('POST', `/v1/people/${person.id}/invite`, {}, { confirm: true });
    const [open] = await raw.rows(`select id from invitations where person_id = '${person.id}' and state = 'open'`);
    await past.multiply('sessions', person.sessionId, 30, { state: 'active' });
    await past.multiply('invitations', open.id, 40, { state: 'open' });
    const suspended = await owner.call('POST', `/v1/people/${person.id}/suspend`, {});
    assert.equal(suspended.status, 200, JSON.stringify(suspended.body));
    assert.equal((await past.row('invitations', open.id))['state'], 'withdrawn');
    await owner.call('POST', `/v1/people/${person.id}/resume`, {}, { confirm: true });
    assert.deepEqual([await isIn(person), (await enrolWith(again))[1]], [false, 401]);
    // Nor by what he seems to have given out.
    const { id: other } = (await invite(owner, { role: 'auditor' })).body.person;
    const [his] = await raw.rows(`select id from invitations where person_id = '${other}'`);
    await past.multiply('invitations', his.id, 40, { invited_by: person.id });
    assert.equal((await owner.call('DELETE', `/v1/people/${person.id}`)).status, 200);
    const left = `select id from invitations where invited_by = '${person.id}' and state = 'open'`;
    assert.deepEqual(await raw.rows(left), []);
  });

  it('no token manages people, whatever its scope', async () => {
    const { installation, owner } = shared();
    const { secret } = (await owner.call('POST', '/v1/tokens', { name: 'all', scopes: ['admin'] }, { confirm: true }))
      .body;
    const call = (method: string, path: string, body?: object) =>
      installation.call(method, path, body, { token: secret });
    const person = await newPerson({ role: 'auditor' });
    const role = { role: 'auditor', reason: 'x' };
    assert.equal((await call('POST', '/v1/people', { name: 'x', ...role })).status, 403);
    assert.equal((await call('POST', `/v1/people/${person.id}/roles`, role)).status, 403);
    assert.equal((await call('POST', `/v1/people/${person.id}/invite`)).status, 403);
    assert.equal((await call('DELETE', `/v1/people/${person.id}`)).status, 403);
    assert.equal((await call('GET', '/v1/people')).status, 200);
    assert.equal((await call('GET', '/v1/session')).status, 403);
  });

  it('the last owner cannot go, by whatever way, and two cannot take each other away', async () => {
    const { owner } = shared();
    const { items } = (await owner.call('GET', '/v1/people')).body;
    for (const { id, roles } of items) {
      const isOther = id !== owner.id && roles.some(({ role }: { role: string }) => role === 'owner');
      if (isOther) await owner.call('DELETE', `/v1/people/${id}`);
    }
    const officer = await newPerson({ role: 'security-officer' });
    const [ownersRole] = (await owner.call('GET', '/v1/session')).body.roles;
    const ways = () => [
      officer.call('DELETE', `/v1/people/${owner.id}`),
      officer.call('POST', `/v1/people/${owner.id}/suspend`, {}),
      officer.call('DELETE', `/v1/roles/${ownersRole.id}`),
    ];
    // Neither an owner who never enrolled nor one for a time can stay behind alone.
    await invite(owner, { role: 'owner' });
    await newPerson({ role: 'owner', expiresAt: new Date(Date.now() + HOUR_MS).toISOString() });
    for (const { status, body } of await Promise.all(ways())) {
      assert.deepEqual([status, body.code], [409, 'LAST_OWNER']);
    }
    const second = await newPerson({ role: 'owner' });
    // Whose passkey was tampered with can't sign in, and stands in for nobody.
    const { passkeys } = (await second.call('GET', '/v1/session')).body;
    await using raw = await openRaw(shared().place);
    const past = new WrittenPast(raw);
    const kept = await past.row('person_passkeys', passkeys[0].id);
    await past.edit('person_passkeys', passkeys[0].id, { public_key: '00' });
    for (const { body } of await Promise.all(ways())) assert.equal(body.code, 'LAST_OWNER');
    await past.edit('person_passkeys', passkeys[0].id, { public_key: kept['public_key'] ?? null });
    const both = await Promise.all([
      owner.call('POST', `/v1/people/${second.id}/suspend`, {}),
      second.call('POST', `/v1/people/${owner.id}/suspend`, {}),
    ]);
    assert.equal(both.filter(({ status }) => status === 200).length, 1, JSON.stringify(both.map(({ body }) => body)));
  });
});
