import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { openRaw } from '../testing/raw-database.ts';
import { type SharedVault, shareVault } from '../testing/shared-vault.ts';

const GONE = { errors: ['wrapping token is not valid or does not exist'] };

interface WrapInfo {
  readonly token: string;
  readonly accessor: string;
  readonly ttl: number;
  readonly creation_time: string;
  readonly creation_path: string;
}

async function wrap({ wire }: SharedVault, payload: object = { foo: 'bar' }, ttl = '60s'): Promise<WrapInfo> {
  const answer = await wire.expect(200, 'POST', 'sys/wrapping/wrap', payload, { wrapTtl: ttl });
  return answer.wrap_info;
}

onEachDatabase('an answer that is wrapped', (createPlace) => {
  const shared = shareVault(createPlace);
  const unwrap = (token: string) => shared().wire.call('POST', 'sys/wrapping/unwrap', undefined, { token });

  it('is put aside under a token, and given to whoever brings it, as it was', async () => {
    await shared().wire.expect(200, 'POST', 'secret/data/wrapped', { data: { a: 1 } });
    const wrapped = await shared().wire.expect(200, 'GET', 'secret/data/wrapped', undefined, { wrapTtl: '5m' });
    const { token, ttl, creation_path, creation_time } = wrapped.wrap_info;
    assert.deepEqual([wrapped.data, ttl, creation_path], [null, 300, 'secret/data/wrapped']);
    assert.ok(Math.abs(Date.parse(creation_time) - Date.now()) < 10_000);
    assert.ok(!JSON.stringify(wrapped).includes('"a"'));
    const looked = await shared().wire.expect(200, 'POST', 'sys/wrapping/lookup', { token });
    const of = [looked.data.creation_path, looked.data.creation_time, looked.data.creation_ttl];
    assert.deepEqual(of, [creation_path, creation_time, ttl], 'by which a client finds a token that was swapped');
    const { status, body } = await unwrap(token);
    assert.equal(status, 200);
    assert.deepEqual(body.data.data, { a: 1 });
  });

  it('is taken with a token of one’s own too, the wrapping token in the body', async () => {
    const { token } = await wrap(shared());
    const { data } = await shared().wire.expect(200, 'POST', 'sys/wrapping/unwrap', { token });
    assert.deepEqual(data, { foo: 'bar' });
    await shared().wire.expect(400, 'POST', 'sys/wrapping/unwrap', { token });
    for (const none of [undefined, '', 'x', 7]) {
      assert.deepEqual(await shared().wire.expect(400, 'POST', 'sys/wrapping/unwrap', { token: none }), GONE);
    }
  });

  it('can be looked at without taking it, and rewrapped so that the old token is worth nothing', async () => {
    const { token } = await wrap(shared(), { n: 1 }, '90s');
    for (const options of [{ token }, {}]) {
      const { data } = await shared().wire.expect(200, 'POST', 'sys/wrapping/lookup', { token }, options);
      assert.deepEqual([data.creation_ttl, data.creation_path], [90, 'sys/wrapping/wrap']);
    }
    const again = (await shared().wire.expect(200, 'POST', 'sys/wrapping/rewrap', { token })).wrap_info;
    assert.deepEqual([again.ttl, again.creation_path], [90, 'sys/wrapping/wrap']);
    assert.equal((await unwrap(token)).status, 400);
    assert.deepEqual((await unwrap(again.token)).body.data, { n: 1 });
    await shared().wire.expect(400, 'POST', 'sys/wrapping/lookup', { token: again.token });
  });

  it('waits under the old token or under the new one, whatever fails while it is rewrapped', async () => {
    const { token, accessor } = await wrap(shared(), { n: 1 });
    const rewrap = () => shared().wire.call('POST', 'sys/wrapping/rewrap', { token });
    await using raw = await openRaw(shared().place);
    // Nothing can be put aside, but what waits can be taken.
    const isSqlite = shared().place.databaseUrl === undefined;
    const forbid = isSqlite
      ? "create trigger no_row before insert on deliveries begin select raise(abort, 'no'); end"
      : `alter table deliveries add constraint no_row check (id <= '${accessor}') not valid`;
    await raw.run(forbid);
    const failed = await rewrap();
    await raw.run(isSqlite ? 'drop trigger no_row' : 'alter table deliveries drop constraint no_row');
    assert.ok(failed.status >= 500, `${failed.status}`);
    const answers = await Promise.all(Array.from({ length: 20 }, rewrap));
    const won = answers.filter(({ status }) => status === 200);
    assert.equal(won.length, 1);
    assert.deepEqual((await shared().actionsOn(accessor)).slice(0, 2), ['delivery.created', 'delivery.rewrapped']);
    assert.deepEqual(await shared().alarmsAbout(accessor), ['DELIVERY_TAKEN_TWICE']);
    assert.deepEqual((await unwrap(won[0]?.body.wrap_info.token)).body.data, { n: 1 });
  });

  it('opens nothing else with its token', async () => {
    const { token } = await wrap(shared());
    for (const [method, path] of [
      ...[
        ['GET', 'secret/data/wrapped'],
        ['GET', 'auth/token/lookup-self'],
        ['POST', 'auth/token/revoke-self'],
      ],
      ...[
        ['POST', 'sys/wrapping/wrap'],
        ['POST', 'transit/random'],
        ['LIST', 'secret/metadata/'],
      ],
    ] as const) {
      await shared().wire.expect(403, method, path, method === 'POST' ? {} : undefined, { token });
    }
    assert.equal((await shared().installation.call('GET', '/v1/secrets', undefined, { token })).status, 401);
    assert.equal((await unwrap(token)).status, 200);
  });

  it('is given to exactly one of 1,000 who come at once; the others raise an alarm and an entry', async () => {
    const { token, accessor } = await wrap(shared(), { prize: 1 });
    const answers = await Promise.all(Array.from({ length: 1_000 }, () => unwrap(token)));
    const winners = answers.filter(({ status }) => status === 200);
    assert.equal(winners.length, 1);
    assert.deepEqual(winners[0]?.body.data, { prize: 1 });
    for (const { status, body } of answers) if (status !== 200) assert.deepEqual([status, body], [400, GONE]);
    assert.deepEqual(await shared().alarmsAbout(accessor), ['DELIVERY_TAKEN_TWICE']);
    const actions = await shared().actionsOn(accessor);
    assert.deepEqual(actions.slice(0, 2), ['delivery.created', 'delivery.taken']);
    assert.deepEqual(new Set(actions.slice(2)), new Set(['delivery.refused', 'alarm.raised']));
    // One a minute, however many come: the crowd may straddle the turn of one.
    assert.ok(actions.length === 4 || actions.length === 5, `${actions.length} entries`);
  });

  it('is not there any more after its time, without an alarm', async () => {
    const { token, accessor } = await wrap(shared(), { late: 1 }, '1s');
    // The moment is the answer's to know: it is asked for until it is past.
    while ((await shared().wire.call('POST', 'sys/wrapping/lookup', { token })).status === 200);
    assert.deepEqual((await unwrap(token)).body, GONE);
    assert.deepEqual(await shared().alarmsAbout(accessor), []);
    assert.deepEqual(await shared().actionsOn(accessor), ['delivery.created', 'delivery.refused']);
  });

  it('is refused for a length that is none before anything is done', async () => {
    for (const wrapTtl of ['x', '-1', '31d', '0x']) {
      await shared().wire.expect(400, 'POST', 'secret/data/not-stored', { data: {} }, { wrapTtl });
    }
    await shared().wire.expect(404, 'GET', 'secret/data/not-stored');
    await shared().wire.expect(400, 'POST', 'sys/wrapping/wrap', {});
    const namespace = 'market/none';
    await shared().wire.expect(404, 'POST', 'sys/wrapping/wrap', {}, { wrapTtl: '60s', namespace });
    const answer = await shared().wire.expect(404, 'GET', 'secret/data/not-stored', undefined, { wrapTtl: '60s' });
    assert.deepEqual(answer, { errors: [] }, 'a refusal is not wrapped');
  });

  it('is none where its length is nothing', async () => {
    await shared().wire.expect(200, 'POST', 'secret/data/plain', { data: { a: 1 } });
    for (const wrapTtl of ['0', '0s', '0h0m']) {
      const answer = await shared().wire.expect(200, 'GET', 'secret/data/plain', undefined, { wrapTtl });
      assert.deepEqual([answer.wrap_info, answer.data.data], [null, { a: 1 }]);
      await shared().wire.expect(400, 'POST', 'sys/wrapping/wrap', {}, { wrapTtl });
    }
  });

  it('is told apart from a delivery of something else, whatever that carries', async () => {
    const data = { answer: { data: 'x' }, path: 'p', ttl: 1 };
    const place = { project: 'default', environment: 'production' };
    const { secret } = await shared().expect(201, 'POST', '/v1/secrets', { ...place, path: 'answer', data });
    const deliver = async () => {
      const body = { deliverTo: { once: { ttlSeconds: 60 } } };
      return (await shared().expect(201, 'POST', `/v1/secrets/${secret.id}/deliver`, body)).delivery.token as string;
    };
    assert.deepEqual((await unwrap(await deliver())).body.data, data);
    const token = await deliver();
    const looked = await shared().wire.expect(200, 'POST', 'sys/wrapping/lookup', { token });
    assert.equal(looked.data.creation_path, 'sys/wrapping/wrap', 'what it carries does not name its path');
    await shared().wire.expect(400, 'POST', 'sys/wrapping/rewrap', { token });
    assert.deepEqual((await unwrap(token)).body.data, data, 'what cannot be rewrapped is not taken');
  });

  it('lies encrypted in the database, and not at all once it is taken', async () => {
    const { token, accessor } = await wrap(shared(), { marker: 'planted-in-a-wrapped-answer' });
    await using raw = await openRaw(shared().place);
    const row = async () => (await raw.rows(`select * from deliveries where id = '${accessor}'`))[0];
    const before = await row();
    assert.match(before.envelope, /^[0-9a-f]+$/);
    for (const planted of ['planted-in-a-wrapped-answer', token]) {
      assert.ok(!JSON.stringify(before).includes(planted));
      assert.ok(!Buffer.from(before.envelope, 'hex').includes(planted));
    }
    await unwrap(token);
    assert.equal((await row()).envelope, null);
  });
});
