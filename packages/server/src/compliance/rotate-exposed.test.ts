import assert from 'node:assert/strict';
import { before, it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { hands, knownOf, left, NOW, ONCE, outcome } from '../testing/leaving.ts';
import type { TestPerson } from '../testing/person.ts';
import { removePolicy, savePolicy, sharePoliced } from '../testing/policies.ts';
import { openRaw } from '../testing/raw-database.ts';
import { assertStatus } from '../testing/shared-market.ts';
import { vaultWire } from '../testing/shared-vault.ts';
import { WrittenPast } from '../testing/written-past.ts';

onEachDatabase('rotating what somebody knew', (createPlace) => {
  const shared = sharePoliced(createPlace);
  let verifying = '';
  before(async () => {
    verifying = (await shared().token(['verify'])).secret;
  });
  const codeOf = async (key: string) =>
    (await shared().installation.verify({ key, environment: 'market/test' }, verifying)).code;

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

    const answer = await rotate(owner, NOW);
    const done = assertStatus(answer, 200);
    const newest = Number(answer.headers.get('keyhold-entry'));
    for (const { sequence } of done.rotated)
      assert.ok(newest >= sequence, 'the entry that it names is the last of them');
    assert.deepEqual(done.rotated.map((one: { key: string }) => one.key).sort(), [key.key.id, hmac.key.id].sort());
    assert.deepEqual([done.due, done.refused, done.remaining], [[secrets.get('kraken/main')], [], 0]);
    assert.equal(done.barrier.unconfirmed, 0);
    assert.equal(await codeOf(key.secret), 'REVOKED');
    for (const { key: of, sequence } of done.rotated) {
      const { items } = assertStatus(await owner.call('GET', `/v1/audit/entries?from=${sequence}&to=${sequence}`), 200);
      assert.deepEqual([items[0].action, items[0].subject], ['key.rotated', of]);
    }
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
    // He turns out to be hostile: what was to end later ends now.
    const now = await owner.call('POST', `/v1/offboardings/${id}/rotate`, NOW, { confirm: true });
    assert.equal(assertStatus(now, 200).rotated.length, 1);
    assert.equal(await codeOf(key.secret), 'REVOKED');
  });

  it('ends what he knew and nothing else, where the key has another credential that he never knew', async () => {
    const { owner, enrol } = shared();
    const person = await enrol({ role: 'developer' });
    const does = hands(shared(), person);
    const hmac = { kind: 'hmac' };
    const rotated = async (by: TestPerson, key: string, more: object) =>
      assertStatus(
        await by.call('POST', `/v1/keys/${key}/rotate`, { overlapSeconds: 864_000, ...more }, { confirm: true }),
        201,
      ).credential.id as string;
    // Another replaced what he issued; he replaced what another had issued; all that it has he knows.
    const [replaced, his, all] = [await does.issue(), await hands(shared(), owner).issue(), await does.issue()];
    const unknown = await rotated(owner, replaced.key.id, { credential: hmac });
    const newest = await rotated(person, his.key.id, { credential: hmac });
    await rotated(person, all.key.id, { credential: hmac });
    const { id } = await left(owner, person.id);
    const done = assertStatus(await owner.call('POST', `/v1/offboardings/${id}/rotate`, NOW, { confirm: true }), 200);
    const statesOf = async (key: string): Promise<string[]> => {
      const { credentials } = assertStatus(await owner.call('GET', `/v1/keys/${key}`), 200);
      return credentials.map(({ kind, state }: { kind: string; state: string }) => `${kind} ${state}`);
    };
    const answerOf = (key: string) => done.rotated.find((one: { key: string }) => one.key === key);
    assert.deepEqual(await statesOf(replaced.key.id), ['hmac active', 'bearer deactivated']);
    assert.deepEqual([answerOf(replaced.key.id).credential, answerOf(replaced.key.id).delivery], [unknown, null]);
    // What ends by itself takes nobody's place, and goes on until then.
    assert.deepEqual(await statesOf(his.key.id), ['hmac active', 'hmac deactivated', 'bearer active']);
    assert.notEqual(answerOf(his.key.id).credential, newest);
    assert.equal(await codeOf(his.secret), 'VALID');
    assert.deepEqual(await statesOf(all.key.id), ['hmac active', 'hmac deactivated', 'bearer deactivated']);
    assert.ok(answerOf(all.key.id).delivery.token.length > 0);
    const after = await knownOf(owner, `/v1/offboardings/${id}/exposures`);
    assert.deepEqual([...new Set(after.map(({ state }) => state))], ['over']);
  });

  it('ends also what was taken by a link alone before he left: nobody knows whether by him', async () => {
    const { owner, enrol } = shared();
    const person = await enrol({ role: 'developer' });
    const does = hands(shared(), person);
    const overlap = { overlapSeconds: 864_000, deliverTo: ONCE };
    const taking = await hands(shared(), owner).token(['read'], 'takes');
    const rotated = async () => {
      const { key } = await does.issue();
      const answer = assertStatus(
        await owner.call('POST', `/v1/keys/${key.id}/rotate`, overlap, { confirm: true }),
        201,
      );
      return { key: key.id, credential: answer.credential.id as string, link: answer.delivery.token as string };
    };
    const take = async (link: string) =>
      assertStatus(await does.with(link, 'POST', '/v1/deliveries/take', {}), 200).content as string;
    const wire = vaultWire(shared().installation.vaultUrl, taking.secret);
    const unwrap = async (token: string): Promise<string> =>
      (await wire.expect(200, 'POST', 'sys/wrapping/unwrap', { token })).data;
    const [byLink, byToken, later] = [await rotated(), await rotated(), await rotated()];
    const [taken, told] = [await take(byLink.link), await unwrap(byToken.link)];
    const { id } = await left(owner, person.id);
    await take(later.link);
    const rotate = () => owner.call('POST', `/v1/offboardings/${id}/rotate`, NOW, { confirm: true });
    const done = assertStatus(await rotate(), 200);
    const answerOf = (key: string) => done.rotated.find((one: { key: string }) => one.key === key);
    assert.equal(await codeOf(taken), 'REVOKED');
    assert.ok(answerOf(byLink.key).delivery.token.length > 0);
    assert.equal(await codeOf(told), 'VALID');
    assert.equal(answerOf(byToken.key).credential, byToken.credential);
    assert.equal(answerOf(later.key).credential, later.credential);
    assert.deepEqual(assertStatus(await rotate(), 200).rotated, []);
  });

  it("gives a new one where the other that goes on is in nobody's hands: its link ended untaken", async () => {
    const { owner, enrol } = shared();
    const person = await enrol({ role: 'developer' });
    const does = hands(shared(), person);
    const rotated = async () => {
      const { key } = await does.issue();
      const body = { overlapSeconds: 864_000, deliverTo: ONCE };
      const answer = await owner.call('POST', `/v1/keys/${key.id}/rotate`, body, { confirm: true });
      const { credential, delivery } = assertStatus(answer, 201);
      return { key: key.id, credential: credential.id as string, delivery };
    };
    const [ended, waiting] = [await rotated(), await rotated()];
    assertStatus(await owner.call('DELETE', `/v1/deliveries/${ended.delivery.id}`), 200);
    const { id } = await left(owner, person.id);
    const rotate = () => owner.call('POST', `/v1/offboardings/${id}/rotate`, NOW, { confirm: true });
    const done = assertStatus(await rotate(), 200);
    const answerOf = (key: string) => done.rotated.find((one: { key: string }) => one.key === key);
    assert.notEqual(answerOf(ended.key).credential, ended.credential);
    const taken = await does.with(answerOf(ended.key).delivery.token, 'POST', '/v1/deliveries/take', {});
    assert.equal(await codeOf(assertStatus(taken, 200).content), 'VALID');
    assert.deepEqual([answerOf(waiting.key).credential, answerOf(waiting.key).delivery], [waiting.credential, null]);
    assert.deepEqual(assertStatus(await rotate(), 200).rotated, []);
  });

  it('is not cleared by whoever destroys or removes here what opens something elsewhere', async () => {
    const { owner, enrol } = shared();
    const person = await enrol({ role: 'administrator' });
    const does = hands(shared(), person);
    const [gone, destroyed] = [await does.store('clear/gone'), await does.store('clear/destroyed')];
    assertStatus(await person.call('DELETE', `/v1/secrets/${gone}`, {}), 200);
    assertStatus(await person.call('POST', `/v1/secrets/${destroyed}/destroy`, { versions: [1] }), 200);
    const { id } = await left(owner, person.id);
    const known = await knownOf(owner, `/v1/offboardings/${id}/exposures`);
    const remedies = Object.fromEntries(known.map(({ id, state, remedy }) => [id, `${state} ${remedy}`]));
    assert.deepEqual(remedies, { [gone]: 'stands elsewhere', [destroyed]: 'stands store-anew' });
    const rotated = await owner.call('POST', `/v1/offboardings/${id}/rotate`, NOW, { confirm: true });
    const { due, byHand, refused } = assertStatus(rotated, 200);
    assert.deepEqual([due, byHand, refused], [[destroyed], 1, []]);
  });

  it('goes by nothing that was written past the ledger: not by lists, rows or credentials that seem over', async () => {
    const { owner, enrol, place } = shared();
    const person = await enrol({ role: 'developer' });
    const { key, credential } = await hands(shared(), person).issue();
    await using raw = await openRaw(place);
    const past = new WrittenPast(raw);
    const before = await past.row('credentials', credential.id);
    await past.edit('credentials', credential.id, { kind: 'public-key', state: 'deactivated' });
    const { id } = await left(owner, person.id);
    const path = `/v1/offboardings/${id}`;
    const [known] = await knownOf(owner, `${path}/exposures`);
    assert.deepEqual([known?.id, known?.state], [key.id, 'stands']);
    const rotate = () => owner.call('POST', `${path}/rotate`, NOW, { confirm: true });
    const done = assertStatus(await rotate(), 200);
    assert.deepEqual([done.rotated, done.refused.map(({ code }: { code: string }) => code)], [[], ['ROW_TAMPERED']]);
    await past.edit('credentials', credential.id, before);

    const [line] = await raw.rows(`select id, line from exposures where id like '${id}/%'`);
    await raw.run(`update exposures set line = replace(line, '"times":1', '"times":2') where id = '${line?.['id']}'`);
    assert.equal(outcome(await rotate()), '409 ROW_TAMPERED');
    await raw.run(`update exposures set line = replace(line, '"times":2', '"times":1') where id = '${line?.['id']}'`);
    await past.edit('offboardings', id, { principal_id: owner.id, state: 'ending' });
    assert.equal(outcome(await rotate()), '409 ROW_TAMPERED');
    await past.edit('offboardings', id, { principal_id: person.id, state: 'done' });
    assert.equal(assertStatus(await rotate(), 200).rotated.length, 1);
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
});
