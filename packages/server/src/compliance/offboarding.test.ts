import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { it } from 'node:test';
import { canonicalJson } from '@keyhold/protocol/canonical-json';
import type { Exposure } from '@keyhold/protocol/operations/offboarding';
import { onEachDatabase } from '../testing/databases.ts';
import { send, startInstallation } from '../testing/installation.ts';
import { enrolOwner, enrolPerson, type PersonAnswer, TestPerson } from '../testing/person.ts';
import { type Policed, removePolicy, savePolicy, sharePoliced } from '../testing/policies.ts';
import { openRaw } from '../testing/raw-database.ts';
import { assertStatus } from '../testing/shared-market.ts';
import { WrittenPast } from '../testing/written-past.ts';

const outcome = ({ status, body }: PersonAnswer) => (status < 300 ? 'done' : `${status} ${body.code}`);
const ONCE = { once: { ttlSeconds: 600 } };
const NOW = { overlapSeconds: 0, deliverTo: ONCE };
const lineOf = ({ kind, id, part, how, by, first, last, times }: Exposure) =>
  `${canonicalJson({ kind, id, part, how, by, first, last, times })}\n`;
const inShort = (known: readonly Exposure[]) => known.map(({ kind, id, how }) => `${kind} ${id} ${how}`).sort();

/** What somebody with a session can do, in this test. */
function hands({ installation, consumer }: Policed, person: TestPerson) {
  const confirmed = { confirm: true };
  const made = async (path: string, body: object) =>
    assertStatus(await person.call('POST', path, body, confirmed), 201);
  return {
    reveal: (secret: string | undefined) => person.call('POST', `/v1/secrets/${secret}/reveal`, {}, confirmed),
    issue: async (more: object = {}) => {
      const body = { project: 'market', environment: 'test', consumer, name: 'key', permissions: ['prices:read'] };
      return (await made('/v1/keys', { ...body, ...more })) as { key: { id: string }; secret: string };
    },
    token: async (scopes: readonly string[]) =>
      (await made('/v1/tokens', { name: 'made', scopes })) as { token: { id: string }; secret: string },
    workload: async () => {
      const trust = { issuer: 'https://ci.example', audience: 'keyhold', claims: { sub: 'job' }, scopes: ['read'] };
      return (await made('/v1/workloads', { name: 'ci', ...trust })).workload.id as string;
    },
    store: async (path: string) =>
      (await made('/v1/secrets', { project: 'market', environment: 'test', path, data: {} })).secret.id as string,
    invite: async () => (await made('/v1/people', { name: 'x', role: 'support', reason: 'test' })).secret as string,
    with: (token: string, method: string, path: string, body?: object) =>
      send(new URL(path, installation.controlUrl), method, body, { token }),
  };
}

onEachDatabase('off-boarding', (createPlace) => {
  const shared = sharePoliced(createPlace);
  const leave = (by: TestPerson, of: string, more: object = {}) =>
    by.call('POST', '/v1/offboardings', { of, reason: 'left the company', ...more });
  const left = async (by: TestPerson, of: string, more: object = {}) =>
    assertStatus(await leave(by, of, more), 201).offboarding;
  const knownOf = async (by: TestPerson, path: string): Promise<Exposure[]> => {
    const items: Exposure[] = [];
    for (let cursor = ''; ; ) {
      const page = assertStatus(await by.call('GET', `${path}${path.includes('?') ? '&' : '?'}limit=3${cursor}`), 200);
      items.push(...page.items);
      if (page.nextCursor === null) return items;
      cursor = `&cursor=${page.nextCursor}`;
    }
  };
  const codeOf = async (key: string) =>
    (await shared().installation.verify({ key, environment: 'market/test' }, verifying)).code;
  let verifying = '';
  /** Lets a service make tokens. */
  const permit = (id: string) =>
    savePolicy(
      shared().owner,
      `lets-${id.slice(-8)}`,
      `permit(principal == Service::"${id}", action == Action::"tokens.create", resource == Installation::"here");`,
    );

  it('ends all that somebody has and made, and lists what he and his tokens were shown', async () => {
    const { owner, enrol, installation, secrets, consumer, token } = shared();
    verifying = (await token(['verify'])).secret;
    const person = await enrol({ role: 'owner' });
    const does = hands(shared(), person);
    assert.equal(outcome(await does.reveal(secrets.get('plain'))), 'done');
    assert.equal(outcome(await does.reveal(secrets.get('plain'))), 'done');
    const stored = await does.store('typed/in');
    const first = await does.issue();
    const hmac = await does.issue({ credential: { kind: 'hmac' } });
    const { token: his, secret } = await does.token(['admin']);
    await permit(his.id);
    // What his token is shown, he may have seen; what it makes too.
    const body = { project: 'market', environment: 'test', consumer, name: 'k', permissions: ['prices:read'] };
    const second = assertStatus(await does.with(secret, 'POST', '/v1/keys', body), 201);
    const made = assertStatus(await does.with(secret, 'POST', '/v1/tokens', { name: 'x', scopes: ['read'] }), 201);
    const workload = await does.workload();
    const invitation = await does.invite();

    const expected = [
      `secret ${secrets.get('plain')} secret.revealed`,
      `secret ${stored} secret.stored`,
      `key ${first.key.id} key.issued`,
      `key ${hmac.key.id} key.issued`,
      `key ${second.key.id} key.issued`,
      `token ${his.id} token.created`,
      `token ${made.token.id} token.created`,
      `workload ${workload} workload.created`,
    ].sort();
    const before = await knownOf(owner, `/v1/exposures?of=${person.id}`);
    assert.deepEqual(inShort(before), expected);
    assert.ok(before.every(({ state, remedy }) => state === 'stands' && remedy !== null));
    const revealed = before.find(({ id }) => id === secrets.get('plain'));
    assert.deepEqual(
      [revealed?.times, revealed?.part, revealed?.name, revealed?.environment, revealed?.by],
      [2, '1', 'plain', 'live', [person.id]],
    );

    const answer = assertStatus(await leave(owner, person.id), 201);
    const { offboarding } = answer;
    assert.equal(answer.barrier.unconfirmed, 0);
    assert.deepEqual([offboarding.state, offboarding.exposures, offboarding.by], ['done', 8, owner.id]);
    assert.equal(outcome(await person.call('GET', '/v1/session')), '401 UNAUTHENTICATED');
    assert.equal(outcome(await person.signIn()), '401 SIGN_IN_REFUSED');
    for (const one of [secret, made.secret]) assert.equal((await does.with(one, 'GET', '/v1/projects')).status, 401);
    const stranger = new TestPerson(installation);
    assert.equal(outcome(await stranger.enrol(invitation)), '401 UNAUTHENTICATED');

    // Consumers' keys go on until they are rotated.
    const path = `/v1/offboardings/${offboarding.id}/exposures`;
    const after = await knownOf(owner, path);
    assert.deepEqual(inShort(after), expected);
    const standing = after.filter(({ state }) => state !== 'over').map(({ kind }) => kind);
    assert.deepEqual(standing.sort(), ['key', 'key', 'key', 'secret', 'secret']);
    assert.equal(await codeOf(first.secret), 'VALID');

    // The list is evidence: its entry, in the log, says what it hashes to.
    const digest = hash('sha256', after.map(lineOf).join(''), 'hex');
    const { sequence, listDigest } = offboarding;
    const { items } = assertStatus(await owner.call('GET', `/v1/audit/entries?from=${sequence}&to=${sequence}`), 200);
    const leaf = JSON.parse(items[0].leaf);
    assert.deepEqual(
      [listDigest, leaf.code, leaf.action, leaf.subject],
      [digest, digest, 'offboarding.listed', person.id],
    );
  });

  it('rotates all of it in one act, each key delivered once, and what he knew is dead when that is answered', async () => {
    const { owner, enrol, secrets } = shared();
    const person = await enrol({ role: 'developer' });
    const does = hands(shared(), person);
    const key = await does.issue();
    const hmac = await does.issue({ credential: { kind: 'hmac' } });
    assertStatus(await does.reveal(secrets.get('kraken/main')), 200);
    const { id } = await left(owner, person.id);
    const rotate = (by: TestPerson, body: object, confirm = true) =>
      by.call('POST', `/v1/offboardings/${id}/rotate`, body, { confirm });
    assert.equal(outcome(await rotate(owner, NOW, false)), '403 CONFIRMATION_REQUIRED');
    assert.equal(await codeOf(key.secret), 'VALID');

    const done = assertStatus(await rotate(owner, NOW), 200);
    assert.deepEqual(done.rotated.map((one: { key: string }) => one.key).sort(), [key.key.id, hmac.key.id].sort());
    assert.deepEqual([done.due, done.refused, done.remaining], [[secrets.get('kraken/main')], [], 0]);
    assert.equal(done.barrier.unconfirmed, 0);
    assert.equal(await codeOf(key.secret), 'REVOKED');
    for (const { delivery, key: of } of done.rotated) {
      const taken = assertStatus(await does.with(delivery.token, 'POST', '/v1/deliveries/take', {}), 200);
      if (of === key.key.id) assert.equal(await codeOf(taken.content), 'VALID');
      else assert.ok(taken.content.secret.length >= 64 && taken.content.passphrase !== undefined);
    }

    // The secret is another's to change; once a new version is stored nothing stands, and nothing is left to do.
    const due = assertStatus(await owner.call('GET', `/v1/secrets/${secrets.get('kraken/main')}`), 200);
    assert.ok(Date.parse(due.metadata.rotateBy) <= Date.now());
    const body = { project: 'market', environment: 'live', path: 'kraken/main', data: { key: 'new' } };
    const renewed = assertStatus(await owner.call('POST', '/v1/secrets', body, { confirm: true }), 201);
    assert.equal(renewed.secret.metadata.rotateBy, undefined);
    const after = await knownOf(owner, `/v1/offboardings/${id}/exposures`);
    assert.deepEqual([...new Set(after.map(({ state }) => state))], ['over']);
    const again = assertStatus(await rotate(owner, NOW), 200);
    assert.deepEqual([again.rotated, again.due, again.remaining], [[], [], 0]);
  });

  it('rotates with an overlap once, however often it is asked', async () => {
    const { owner, enrol } = shared();
    const person = await enrol({ role: 'developer' });
    const key = await hands(shared(), person).issue();
    const { id } = await left(owner, person.id);
    const body = { overlapSeconds: 3600, deliverTo: ONCE };
    const rotate = () => owner.call('POST', `/v1/offboardings/${id}/rotate`, body, { confirm: true });
    assert.equal(assertStatus(await rotate(), 200).rotated.length, 1);
    assert.equal(assertStatus(await rotate(), 200).rotated.length, 0);
    assert.equal(await codeOf(key.secret), 'VALID');
    const [known] = await knownOf(owner, `/v1/offboardings/${id}/exposures`);
    assert.equal(known?.state, 'ending');
    assert.ok(Date.parse(known.endsAt ?? '') > Date.now());
  });

  it('keeps what is named, of what he made and of nothing else', async () => {
    const { owner, enrol, token } = shared();
    const person = await enrol({ role: 'administrator' });
    const does = hands(shared(), person);
    const [kept, other] = [await does.token(['read']), await does.token(['read'])];
    const foreign = await token(['read']);
    assert.equal(outcome(await leave(owner, person.id, { keep: [foreign.id] })), '400 INVALID_INPUT');
    assert.equal(outcome(await person.call('GET', '/v1/session')), 'done');
    const { id } = await left(owner, person.id, { keep: [kept.token.id] });
    assert.equal((await does.with(kept.secret, 'GET', '/v1/projects')).status, 200);
    assert.equal((await does.with(other.secret, 'GET', '/v1/projects')).status, 401);
    const known = await knownOf(owner, `/v1/offboardings/${id}/exposures`);
    const standing = known.filter(({ state }) => state === 'stands').map(({ id, remedy }) => [id, remedy]);
    assert.deepEqual(standing, [[kept.token.id, 'revoke']]);
    const rotated = await owner.call('POST', `/v1/offboardings/${id}/rotate`, NOW, { confirm: true });
    assert.equal(assertStatus(rotated, 200).byHand, 1);
  });

  it('off-boards services, also one that somebody wrote past the ledger so that it seems over', async () => {
    const { owner, place, consumer, enrol } = shared();
    const does = hands(shared(), await enrol({ role: 'owner' }));
    const service = await does.token(['admin']);
    await permit(service.token.id);
    const body = { project: 'market', environment: 'test', consumer, name: 'k', permissions: ['prices:read'] };
    const issued = assertStatus(await does.with(service.secret, 'POST', '/v1/keys', body), 201);
    const path = '/v1/tokens';
    const made = assertStatus(await does.with(service.secret, 'POST', path, { name: 'x', scopes: ['read'] }), 201);
    await using raw = await openRaw(place);
    await new WrittenPast(raw).edit('tokens', made.token.id, { state: 'deactivated' });
    const { id, name } = await left(owner, service.token.id);
    assert.equal(name, 'made');
    const row = await new WrittenPast(raw).row('tokens', made.token.id);
    const [head] = await raw.rows(`select sequence from row_heads where row_id = '${row.id}'`);
    const [entry] = await raw.rows(`select action from entries where sequence = ${head?.['sequence']}`);
    assert.equal(entry?.['action'], 'token.revoked');
    const known = await knownOf(owner, `/v1/offboardings/${id}/exposures`);
    assert.deepEqual(
      inShort(known),
      [`key ${issued.key.id} key.issued`, `token ${made.token.id} token.created`].sort(),
    );
    assert.equal(outcome(await leave(owner, 'tok_00000000-0000-7000-8000-000000000000')), '404 TOKEN_NOT_FOUND');
  });

  it('goes by policies: what somebody may not rotate is refused by itself, and what he may not read has no name', async () => {
    const { owner, enrol, secrets } = shared();
    const person = await enrol({ role: 'administrator' });
    const does = hands(shared(), person);
    const [open, closed] = [await does.issue(), await does.issue({ environment: 'live' })];
    assertStatus(await does.reveal(secrets.get('binance/main')), 200);
    const { id } = await left(owner, person.id);
    const barred = await enrol({ role: 'administrator' });
    const who = `principal == Person::"${barred.id}"`;
    const policies = [
      await savePolicy(
        owner,
        'no-rotate',
        `forbid(${who}, action == Action::"keys.rotate", resource in Environment::"market/live");`,
      ),
      await savePolicy(
        owner,
        'no-read',
        `forbid(${who}, action in Action::"secrets", resource in Folder::"market/live/binance");`,
      ),
    ];
    const path = `/v1/offboardings/${id}`;
    const known = await knownOf(barred, `${path}/exposures`);
    const hidden = known.find(({ kind }) => kind === 'secret');
    assert.deepEqual([hidden?.name, hidden?.environment, hidden?.state], [null, null, 'stands']);
    const done = assertStatus(await barred.call('POST', `${path}/rotate`, NOW, { confirm: true }), 200);
    assert.deepEqual(
      done.rotated.map(({ key }: { key: string }) => key),
      [open.key.id],
    );
    const refused = Object.fromEntries(done.refused.map((one: { id: string; code: string }) => [one.id, one.code]));
    assert.deepEqual(refused, {
      [closed.key.id]: 'FORBIDDEN',
      [secrets.get('binance/main') ?? '']: 'SECRET_NOT_FOUND',
    });
    for (const policy of policies) await removePolicy(owner, policy);
    const rest = assertStatus(await owner.call('POST', `${path}/rotate`, NOW, { confirm: true }), 200);
    assert.deepEqual(
      rest.rotated.map(({ key }: { key: string }) => key),
      [closed.key.id],
    );
  });

  it('shows nothing to whoever is gone, whatever was on its way: the list is whole', async () => {
    const { owner, enrol, secrets } = shared();
    const person = await enrol({ role: 'owner' });
    const does = hands(shared(), person);
    const { secret, token } = await does.token(['admin']);
    await permit(token.id);
    const asking = Array.from({ length: 40 }, (_, i) =>
      i % 2 === 0
        ? does.reveal(secrets.get('plain'))
        : does.with(secret, 'POST', '/v1/tokens', { name: 'late', scopes: ['read'] }),
    );
    await asking[0];
    const offboarding = await left(owner, person.id);
    const answers = await Promise.all(asking);
    const shown = answers.filter(({ status }) => status < 300).length;
    const known = await knownOf(owner, `/v1/offboardings/${offboarding.id}/exposures`);
    assert.equal(
      known.reduce((sum, { times }) => sum + times, 0),
      shown + 1,
    );
    for (const actor of [person.id, token.id]) {
      const { items } = assertStatus(await owner.call('GET', `/v1/audit/entries?actor=${actor}`), 200);
      assert.ok(items.every((entry: { sequence: number }) => entry.sequence <= offboarding.to));
    }
    assert.deepEqual(
      known.filter(({ kind, state }) => kind === 'token' && state !== 'over'),
      [],
    );
  });
});

onEachDatabase('an off-boarding that did not come to its end', (createPlace) => {
  it('is finished by itself at the next start', async () => {
    await using place = await createPlace();
    let offboarding: { id: string; listDigest: string };
    let secret: string;
    let owner: TestPerson;
    {
      await using installation = await startInstallation(place);
      owner = await enrolOwner(installation);
      // The last owner stays, and nothing is begun.
      const own = { of: owner.id, reason: 'test' };
      assert.equal(outcome(await owner.call('POST', '/v1/offboardings', own)), '409 LAST_OWNER');
      assert.deepEqual(assertStatus(await owner.call('GET', '/v1/offboardings'), 200).items, []);
      const person = await enrolPerson(installation, owner, { role: 'administrator' });
      const body = { name: 'made', scopes: ['read'] };
      const made = assertStatus(await person.call('POST', '/v1/tokens', body, { confirm: true }), 201);
      secret = made.secret;
      const leaving = { of: person.id, reason: 'test' };
      offboarding = assertStatus(await owner.call('POST', '/v1/offboardings', leaving), 201).offboarding;
      // As it is where the process dies right after its first entry.
      await using raw = await openRaw(place);
      const past = new WrittenPast(raw);
      await past.edit('tokens', made.token.id, { state: 'active' });
      await past.mend('tokens', made.token.id);
      const begun = { state: 'ending', list_digest: null, exposures: 0, finished_at: null };
      await past.edit('offboardings', offboarding.id, begun);
      await past.mend('offboardings', offboarding.id);
      await raw.run('delete from exposures');
    }
    await using installation = await startInstallation(place);
    owner.movedTo(installation);
    for (let i = 0; ; i++) {
      const { body } = await owner.call('GET', `/v1/offboardings/${offboarding.id}`);
      if (body.offboarding.state === 'done') break;
      assert.ok(i < 500, 'it is not finished');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const answer = await send(new URL('/v1/projects', installation.controlUrl), 'GET', undefined, { token: secret });
    assert.equal(answer.status, 401);
    const { items } = assertStatus(await owner.call('GET', `/v1/offboardings/${offboarding.id}/exposures`), 200);
    assert.equal(hash('sha256', items.map(lineOf).join(''), 'hex'), offboarding.listDigest);
  });
});
