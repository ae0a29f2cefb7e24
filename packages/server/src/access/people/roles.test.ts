import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { MANAGEMENT_OPERATIONS } from '@keyhold/protocol/operations/registry';
import { ROLES } from '@keyhold/protocol/role';
import { onEachDatabase, type TestPlace } from '../../testing/databases.ts';
import { startInstallation, type TestInstallation } from '../../testing/installation.ts';
import { createMarket } from '../../testing/market.ts';
import { type MatrixWorld, requestFor } from '../../testing/matrix-requests.ts';
import { enrolOwner, enrolPerson, TestPerson } from '../../testing/person.ts';
import { savePolicy, settle } from '../../testing/policies.ts';
import { CRITICAL, ROLE_MATRIX } from '../../testing/role-matrix.ts';
import { assertStatus } from '../../testing/shared-market.ts';
import { ACTIONS } from '../authorise.ts';
import type { Resource } from '../principal.ts';
import { RequestJudge } from '../policies/request-judge.ts';

/** That there is nothing to do is found only by who may do it. */
const FOUND_BY_WHO_MAY = new Set(['NOTHING_TO_ACCEPT', 'ALREADY_UNSEALED', 'ATTEMPT_OVER', 'ILLEGAL_TRANSITION']);

const PLACES = [
  {},
  { project: 'market' },
  { project: 'other' },
  { environment: 'market/test' },
  { environment: 'market/live' },
  { environment: 'other/test' },
] as const;

const OF_ANY_PERSON: Readonly<Record<string, string>> = {
  'list-approvals': '200 0',
  'approve-request': '404 APPROVAL_NOT_FOUND',
  'deny-request': '404 APPROVAL_NOT_FOUND',
};

/** Takes a one-time token of its own, and no session. */
const OF_NO_ROLE = 'take-delivery';

onEachDatabase('roles and places', (createPlace) => {
  let place: TestPlace;
  let installation: TestInstallation;
  let owner: TestPerson;
  let world: MatrixWorld;
  const people = new Map<string, TestPerson>();
  let asker: TestPerson | undefined;
  let folder = '';
  let asked = 0;

  before(async () => {
    place = await createPlace();
    installation = await startInstallation(place);
    // The bootstrap token ends with the first owner; what the matrix needs is made with another.
    const made = await installation.call('POST', '/v1/tokens', { name: 'matrix', scopes: ['admin'] });
    const token: string = assertStatus(made, 201).secret;
    const call: TestInstallation['call'] = (method, path, body) => installation.call(method, path, body, { token });
    const expect: MatrixWorld['expect'] = async (status, method, path, body) =>
      assertStatus(await call(method, path, body), status);
    const market = await createMarket({ ...installation, call });
    await expect(201, 'POST', '/v1/projects/market/environments', { name: 'live', prefix: 'mkt_live' });
    await expect(201, 'POST', '/v1/projects', { slug: 'other', name: 'Other' });
    await expect(201, 'POST', '/v1/projects/other/environments', { name: 'test', prefix: 'oth_test' });
    owner = await enrolOwner(installation);
    const asOwner: MatrixWorld['expect'] = async (status, method, path, body) =>
      assertStatus(await owner.call(method, path, body, { confirm: method !== 'GET' }), status);
    world = {
      market,
      expect: asOwner,
      unseal: () => call('POST', '/v1/unseal'),
      invite,
      enrolled,
      policy,
      customRole,
      waiting,
      glass,
      offboarded,
      signOn,
    };
    for (const role of ROLES) {
      for (const [i, at] of PLACES.entries()) {
        people.set(`${role} ${i}`, await enrolPerson(installation, owner, { role, ...at }));
      }
    }
  });
  after(async () => {
    await installation?.[Symbol.asyncDispose]();
    await place?.[Symbol.asyncDispose]();
  });

  const invite = async () => {
    const body = { name: 'Invited', role: 'support', environment: 'market/test', reason: 'test' };
    const { person } = assertStatus(await owner.call('POST', '/v1/people', body, { confirm: true }), 201);
    return { person: person.id as string, role: person.roles[0].id as string };
  };
  /** Asked for by somebody for whom nobody in the matrix is barred, and over policies that are gone by then. */
  const waiting = async () => {
    // Twenty of one person may wait.
    if (asked++ % 15 === 0) {
      asker = await enrolPerson(installation, owner, { role: 'developer' });
      await settle(place, asker.id);
      folder = `w${asked}`;
      // One for all that he asks for: each preview looks at everybody at every place.
      const text = `forbid(principal == Person::"${asker.id}", action == Action::"secrets.reveal", resource in Folder::"market/test/${folder}") unless { context.approvals >= 1 };`;
      await savePolicy(owner, `waiting-${asked}`, text);
    }
    assert.ok(asker);
    const path = `${folder}/s${asked}`;
    const stored = { project: 'market', environment: 'test', path, data: {} };
    const { secret } = assertStatus(await owner.call('POST', '/v1/secrets', stored), 201);
    const headers = { 'keyhold-approval-reason': 'test' };
    const { body } = await asker.call('POST', `/v1/secrets/${secret.id}/reveal`, {}, { confirm: true, headers });
    const { items } = assertStatus(await asker.call('GET', '/v1/approvals'), 200);
    return items.find(({ id }: { id: string }) => id === body.approval);
  };
  const glass = async () => {
    const breaker = await enrolPerson(installation, owner, { role: 'administrator' });
    await settle(place, breaker.id);
    const body = { reason: 'test', minutes: 1 };
    const opened = assertStatus(await breaker.call('POST', '/v1/break-glass', body, { confirm: true }), 201);
    assertStatus(await breaker.call('POST', `/v1/break-glass/${opened.breakGlass.id}/close`, {}), 200);
    return opened.breakGlass.id as string;
  };
  const signOn = async (name: string) => {
    const body = { issuer: 'https://sso.example', clientId: 'keyhold', makesPeople: false, roles: [] };
    assertStatus(await owner.call('PUT', `/v1/sign-on/${name}`, body, { confirm: true }), 200);
    return name;
  };
  const offboarded = async () => {
    const { token } = assertStatus(
      await owner.call('POST', '/v1/tokens', { name: 'leaving', scopes: ['read'] }, { confirm: true }),
      201,
    );
    const body = { of: token.id, reason: 'test' };
    return assertStatus(await owner.call('POST', '/v1/offboardings', body), 201).offboarding.id as string;
  };
  const customRole = async (name: string) => {
    const body = { actions: [], about: 'test' };
    return assertStatus(await owner.call('PUT', `/v1/custom-roles/${name}`, body, { confirm: true }), 200).role.name;
  };
  const policy = async (text: string) => {
    const id = await savePolicy(owner, 'matrix', text);
    const { body } = await owner.call('POST', '/v1/policies/preview', { remove: id });
    return { id, basis: body.basis as string };
  };
  const enrolled = async (suspended: boolean) => {
    const { id } = await enrolPerson(installation, owner, { role: 'support' });
    if (suspended) assertStatus(await owner.call('POST', `/v1/people/${id}/suspend`, {}), 200);
    return id;
  };

  const outcome = async (operation: string, role: string, at: number): Promise<string> => {
    const { method, path, body } = await requestFor(operation, world);
    const person = people.get(`${role} ${at}`) as TestPerson;
    const answer = await person.call(method, path, method === 'GET' ? undefined : (body ?? {}), { confirm: true });
    // One seals; everything after it needs an open seal.
    if (operation === 'seal-installation') await world.unseal();
    if (answer.status === 403) return answer.body.code === 'FORBIDDEN' ? '-' : '?';
    if (answer.status === 404) return '.';
    return answer.status < 300 || FOUND_BY_WHO_MAY.has(answer.body.code) ? '+' : `${answer.status}`;
  };

  it('are tested for every operation there is', () => {
    const ids = MANAGEMENT_OPERATIONS.map(({ id }) => id).filter((id) => id !== OF_NO_ROLE);
    assert.deepEqual(Object.keys(ROLE_MATRIX).sort(), ids.sort());
  });

  for (const [operation, { roles, places }] of Object.entries(ROLE_MATRIX)) {
    it(`${operation} opens to the roles ${roles} and the places ${places}`, async () => {
      const byRole = [];
      for (const role of ROLES) byRole.push(await outcome(operation, role, 0));
      assert.equal(byRole.join(''), roles);
      const open = ROLES.filter((_, i) => roles[i] === '+');
      // Places are judged in memory, the same for each role: on the second database one of them says that they are.
      for (const role of place.databaseUrl === undefined ? open : open.slice(-1)) {
        const byPlace = [];
        for (const at of PLACES.keys()) byPlace.push(await outcome(operation, role, at));
        assert.equal(byPlace.join(''), places, role);
      }
    });
  }

  it('open what is critical to an owner too only with his passkey, and all else without', async () => {
    const asked: string[] = [];
    for (const operation of Object.keys(ROLE_MATRIX)) {
      const { method, path, body } = await requestFor(operation, world);
      const answer = await owner.call(method, path, method === 'GET' ? undefined : (body ?? {}));
      if (answer.body.code === 'CONFIRMATION_REQUIRED') asked.push(operation);
      else assert.ok(answer.status < 300 || FOUND_BY_WHO_MAY.has(answer.body.code), `${operation}: ${answer.status}`);
    }
    assert.deepEqual(asked, CRITICAL);
  });

  const kindOf = ({ secret, environment, project }: Resource) => {
    if (secret !== undefined) return 'secret';
    return environment !== null ? 'environment' : project !== null ? 'project' : 'installation';
  };

  it('are asked just what each operation declares', async () => {
    const heard: string[] = [];
    const { note, concerns } = RequestJudge.prototype;
    RequestJudge.prototype.note = function (judged) {
      // What a list shows lies at more places than it is asked at.
      if (judged.isShown !== true) heard.push(`${judged.action} ${kindOf(judged.resource)}`);
      note.call(this, judged);
    };
    RequestJudge.prototype.concerns = function (principal, action) {
      heard.push(`${action} -`);
      return concerns.call(this, principal, action);
    };
    const asked = new Map<string, string[]>();
    try {
      for (const { id } of MANAGEMENT_OPERATIONS) {
        if (id === OF_NO_ROLE) continue;
        const { method, path, body } = await requestFor(id, world);
        heard.length = 0;
        await owner.call(method, path, method === 'GET' ? undefined : (body ?? {}), { confirm: true });
        asked.set(id, [...new Set(heard)]);
        if (id === 'seal-installation') await world.unseal();
      }
    } finally {
      Object.assign(RequestJudge.prototype, { note, concerns });
    }
    for (const { id, asks = [] } of MANAGEMENT_OPERATIONS) {
      const said = (asked.get(id) ?? []).map((one) => one.split(' ') as [string, string]);
      const actions = new Set(said.map(([action]) => action));
      assert.deepEqual([...actions].sort(), asks.map(({ action }) => action).sort(), id);
      assert.equal(asks.length === 0, id in OF_ANY_PERSON || id === OF_NO_ROLE, id);
      for (const [action, kind] of said) {
        const at = asks.find((one) => one.action === action)?.at;
        // What lies in an environment may belong to somebody of its project.
        const kinds: (string | undefined)[] = at === 'environment' ? [at, 'project'] : [at];
        if (kind !== '-' && at !== 'place') assert.ok(kinds.includes(kind), `${id} asks at ${kind}`);
        assert.ok((ACTIONS as readonly string[]).includes(action), action);
      }
    }
  });

  it('show in lists only what lies within them', async () => {
    const { market } = world;
    await market.issue();
    const seen = async (who: string, path: string, name: string) => {
      const { items } = assertStatus(await (people.get(who) as TestPerson).call('GET', path), 200);
      return [...new Set(items.map((item: Record<string, unknown>) => item[name]))];
    };
    assert.deepEqual(await seen('support 1', '/v1/projects', 'slug'), ['market']);
    assert.deepEqual(await seen('support 4', '/v1/projects', 'slug'), ['market']);
    assert.deepEqual(await seen('support 4', '/v1/projects/market/environments', 'name'), ['live']);
    assert.deepEqual(await seen('support 3', '/v1/keys', 'environment'), ['test']);
    assert.deepEqual(await seen('support 4', '/v1/keys', 'environment'), []);
    assert.deepEqual(await seen('support 2', '/v1/keys', 'environment'), []);
    assert.deepEqual(await seen('support 2', '/v1/consumers', 'project'), []);
  });

  it('add up: who has several sees what each of them opens, and no more', async () => {
    const person = await enrolPerson(installation, owner, { role: 'support', environment: 'market/test' });
    const more = { role: 'support', project: 'other', reason: 'test' };
    assertStatus(await owner.call('POST', `/v1/people/${person.id}/roles`, more, { confirm: true }), 201);
    const names = async (path: string, name: string) =>
      assertStatus(await person.call('GET', path), 200).items.map((item: Record<string, unknown>) => item[name]);
    assert.deepEqual(await names('/v1/projects', 'slug'), ['market', 'other']);
    assert.deepEqual(await names('/v1/projects/market/environments', 'name'), ['test']);
    assert.deepEqual(await names('/v1/projects/other/environments', 'name'), ['test']);
    assert.ok((await names('/v1/keys', 'environment')).length > 0);
    assert.equal((await person.call('GET', '/v1/keys?project=market&environment=live')).status, 404);
  });

  it('without any, nothing is open, and whoever did not sign in sees as little', async () => {
    const person = await enrolPerson(installation, owner, { role: 'support' });
    const [role] = (await person.call('GET', '/v1/session')).body.roles;
    assertStatus(await owner.call('DELETE', `/v1/roles/${role.id}`), 200);
    const stranger = new TestPerson(installation);
    for (const operation of Object.keys(ROLE_MATRIX)) {
      const { method, path, body } = await requestFor(operation, world);
      const sent = method === 'GET' ? undefined : (body ?? {});
      const answer = await person.call(method, path, sent, { confirm: true });
      // Approvals are no matter of a role: there is nothing for him.
      const expected = OF_ANY_PERSON[operation] ?? '403 FORBIDDEN';
      assert.equal(`${answer.status} ${answer.body.code ?? answer.body.items.length}`, expected, operation);
      assert.equal((await stranger.call(method, path, sent)).status, 401, operation);
    }
  });
});
