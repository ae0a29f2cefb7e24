import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { openRaw } from '../testing/raw-database.ts';
import { shareVault } from '../testing/shared-vault.ts';

const ONCE = { once: { ttlSeconds: 600 } };
const REASON = { reason: 'unspecified' };

onEachDatabase('a link that waits', (createPlace) => {
  const shared = shareVault(createPlace);
  const place = { project: 'market', environment: 'test' };
  const store = async (path: string): Promise<string> =>
    (await shared().expect(201, 'POST', '/v1/secrets', { ...place, path, data: { path } })).secret.id;
  const deliver = async (secret: string, version?: number): Promise<{ id: string; token: string }> => {
    const body = { deliverTo: ONCE, ...(version === undefined ? {} : { version }) };
    return (await shared().expect(201, 'POST', `/v1/secrets/${secret}/deliver`, body)).delivery;
  };
  const issue = (more: object = {}) =>
    shared().expect(201, 'POST', '/v1/keys', {
      ...{ ...place, consumer: shared().market.consumer, name: 'delivered', permissions: ['prices:read'] },
      ...{ deliverTo: ONCE, ...more },
    });
  const take = async (token: string): Promise<string> => {
    const { status, body } = await shared().installation.call('POST', '/v1/deliveries/take', undefined, { token });
    return status === 200 ? 'taken' : body.code;
  };
  const wrap = async (path: string): Promise<string> => {
    const options = { wrapTtl: '5m', namespace: 'market/test' };
    return (await shared().wire.expect(200, 'GET', `secret/data/${path}`, undefined, options)).wrap_info.token;
  };
  const waiting = async (ids: readonly string[]): Promise<number> => {
    await using raw = await openRaw(shared().place);
    const list = ids.map((id) => `'${id}'`).join(', ');
    return (await raw.rows(`select id from deliveries where envelope is not null and id in (${list})`)).length;
  };

  for (const word of ['destroy', 'delete'])
    it(`ends with the version that it delivers (${word}), and that of another goes on`, async () => {
      const secret = await store(word);
      await store(word);
      const [first, second, wrapped] = [await deliver(secret, 1), await deliver(secret, 2), await wrap(word)];
      await shared().expect(200, 'POST', `/v1/secrets/${secret}/${word}`, { versions: [1] });
      assert.equal(await waiting([first.id]), 0, 'nothing is kept of it');
      assert.deepEqual([await take(first.token), await take(second.token)], ['DELIVERY_GONE', 'taken']);
      assert.deepEqual(await shared().alarmsAbout(first.id), [], 'who comes late is no alarm');
      await shared().expect(200, 'POST', `/v1/secrets/${secret}/${word}`, { versions: [2] });
      assert.equal(await take(wrapped), 'DELIVERY_GONE', 'nor does a wrapped answer outlive it');
    });

  it('ends when the version makes room for a new one', async () => {
    const secret = await store('kept');
    await shared().expect(200, 'PATCH', `/v1/secrets/${secret}`, { maxVersions: 1 });
    const link = await deliver(secret);
    await store('kept');
    assert.equal(await take(link.token), 'DELIVERY_GONE');
  });

  it('ends with the secret, however many there are, and however it was written past the ledger', async () => {
    const secret = await store('removed');
    const links = [];
    for (let i = 0; i < 70; i++) links.push(await deliver(secret));
    const wrapped = await wrap('removed');
    await using raw = await openRaw(shared().place);
    await raw.run(`update deliveries set created_at = created_at + 1 where id = '${links[0]?.id}'`);
    await shared().expect(200, 'DELETE', `/v1/secrets/${secret}`);
    assert.equal(await waiting(links.map(({ id }) => id)), 0);
    assert.equal(await take(wrapped), 'DELIVERY_GONE');
    assert.deepEqual(await shared().alarmsAbout(links[0]?.id ?? ''), ['ROW_TAMPERED']);
  });

  it('is not made of what is destroyed meanwhile', async () => {
    for (let round = 0; round < 10; round++) {
      const secret = await store(`race/${round}`);
      const { installation } = shared();
      const [made, destroyed] = await Promise.all([
        installation.call('POST', `/v1/secrets/${secret}/deliver`, { deliverTo: ONCE }),
        installation.call('POST', `/v1/secrets/${secret}/destroy`, { versions: [1] }),
      ]);
      assert.equal(destroyed.status, 200);
      if (made.status === 201) assert.equal(await take(made.body.delivery.token), 'DELIVERY_GONE');
      else assert.equal(made.body.code, 'SECRET_VERSION_GONE');
    }
  });

  it('of a version that lives goes on, though another is destroyed in the commit that makes it', async () => {
    const secret = await store('beside');
    await store('beside');
    const calls = Array.from({ length: 30 }, () => [
      shared().expect(201, 'POST', `/v1/secrets/${secret}/deliver`, { deliverTo: ONCE, version: 2 }),
      // Safe to repeat, and each ends what waits to give it.
      shared().expect(200, 'POST', `/v1/secrets/${secret}/destroy`, { versions: [1] }),
    ]);
    const made = (await Promise.all(calls.flat())).flatMap(({ delivery }) => delivery ?? []);
    assert.equal(await waiting(made.map(({ id }) => id)), 30);
  });

  it('ends with its version by its entry where its row, of an older release, says nothing but the secret', async () => {
    const secret = await store('older');
    await store('older');
    const [first, second] = [await deliver(secret, 1), await deliver(secret, 2)];
    await using raw = await openRaw(shared().place);
    await raw.run(`update deliveries set subject = '${secret}' where id in ('${first.id}', '${second.id}')`);
    await shared().expect(200, 'POST', `/v1/secrets/${secret}/destroy`, { versions: [1] });
    assert.deepEqual([await waiting([first.id]), await waiting([second.id])], [0, 1]);
  });

  it('goes on where the deletion is refused for another version, though one entry has no room for all', async () => {
    const secret = await store('refused');
    for (let version = 2; version <= 3; version++) await store('refused');
    await shared().expect(200, 'POST', `/v1/secrets/${secret}/destroy`, { versions: [3] });
    const links = [];
    for (let i = 0; i < 58; i++) links.push(await deliver(secret, 1));
    const { code } = await shared().expect(404, 'POST', `/v1/secrets/${secret}/delete`, { versions: [1, 2, 3] });
    assert.deepEqual([code, await waiting(links.map(({ id }) => id))], ['SECRET_VERSION_GONE', 58]);
    assert.equal((await shared().actionsOn(secret)).includes('secret.deleted'), false);
  });

  it('ends with the credentials that a rotation ends, more than one entry has room for', async () => {
    const { key, delivery } = await issue();
    const links: string[] = [delivery.id];
    const rotate = (overlapSeconds: number) =>
      shared().expect(201, 'POST', `/v1/keys/${key.id}/rotate`, { overlapSeconds, deliverTo: ONCE });
    while (links.length < 31) links.push((await rotate(3_600)).delivery.id);
    const last = await rotate(0);
    assert.equal(await waiting(links), 0);
    assert.equal(await take(last.delivery.token), 'taken');
  });

  it('is ended by who hears that it went astray, by its id; what was taken before is told', async () => {
    const secret = await store('astray');
    const [astray, taken] = [await deliver(secret), await deliver(secret)];
    assert.equal(await take(taken.token), 'taken');
    const end = (id: string) => shared().expect(200, 'DELETE', `/v1/deliveries/${id}`);
    const ended = { id: astray.id, subject: secret, takenAt: null };
    assert.deepEqual([await end(astray.id), await end(astray.id)], [ended, ended]);
    assert.equal(await waiting([astray.id]), 0);
    assert.equal(await take(astray.token), 'DELIVERY_GONE');
    const { takenAt } = await end(taken.id);
    assert.ok(Math.abs(Date.parse(takenAt) - Date.now()) < 60_000);
    const said = (await shared().actionsOn(secret)).filter((action) => action.startsWith('delivery.'));
    assert.deepEqual(said, ['delivery.taken', 'delivery.ended', 'delivery.refused']);
    const absent = 'dlv_01900000-0000-7000-8000-000000000001';
    assert.equal((await shared().expect(404, 'DELETE', `/v1/deliveries/${absent}`)).code, 'DELIVERY_GONE');
  });

  it('ends with the key or the credential that it delivers', async () => {
    const calls: readonly [string, (key: string, credential: string) => readonly [string, object]][] = [
      ['destroyed', (key) => [`/v1/keys/${key}/destroy`, {}]],
      ['revoked', (key) => [`/v1/keys/${key}/revoke`, REASON]],
      ['its credential revoked', (_, credential) => [`/v1/credentials/${credential}/revoke`, REASON]],
      ['rotated without overlap', (key) => [`/v1/keys/${key}/rotate`, { overlapSeconds: 0, deliverTo: ONCE }]],
    ];
    for (const kind of ['bearer', 'hmac'])
      for (const [what, call] of calls) {
        const { key, credential, delivery } = await issue({ credential: { kind } });
        const [path, body] = call(key.id, credential.id);
        const answer = await shared().installation.call('POST', path, body);
        assert.ok(answer.status < 300, JSON.stringify(answer.body));
        assert.equal(await take(delivery.token), 'DELIVERY_GONE', what);
        if (answer.status === 201) assert.equal(await take(answer.body.delivery.token), 'taken');
      }
    const { key, delivery } = await issue();
    await shared().expect(201, 'POST', `/v1/keys/${key.id}/rotate`, { overlapSeconds: 60 });
    assert.equal(await take(delivery.token), 'taken', 'what is alive is delivered');
  });
});
