import assert from 'node:assert/strict';
import { it } from 'node:test';
import { DELIVERY_STATES, type ListedDelivery } from '@keyhold/protocol/operations/deliveries';
import { onEachDatabase } from '../testing/databases.ts';
import { openRaw } from '../testing/raw-database.ts';
import { shareVault } from '../testing/shared-vault.ts';

onEachDatabase('the list of links', (createPlace) => {
  const shared = shareVault(createPlace);
  const place = { project: 'market', environment: 'test' };
  const list = async (filter = '', environment = 'test'): Promise<ListedDelivery[]> =>
    (await shared().expect(200, 'GET', `/v1/deliveries?project=market&environment=${environment}${filter}`)).items;
  const idsOf = (links: readonly { readonly id: string }[]) => links.map(({ id }) => id);
  const store = async (path: string): Promise<string> =>
    (await shared().expect(201, 'POST', '/v1/secrets', { ...place, path, data: {} })).secret.id;
  const deliver = async (secret: string, ttlSeconds = 600): Promise<{ id: string; token: string; expiresAt: string }> =>
    (await shared().expect(201, 'POST', `/v1/secrets/${secret}/deliver`, { deliverTo: { once: { ttlSeconds } } }))
      .delivery;

  it('says where each stands, newest first, and gives nothing that takes one', async () => {
    const secret = await store('where/they/stand');
    const links = [];
    for (let i = 0; i < 4; i++) links.push(await deliver(secret));
    const [waiting, taken, ended, late] = links as [
      (typeof links)[0],
      (typeof links)[0],
      (typeof links)[0],
      (typeof links)[0],
    ];
    const from = Date.now();
    await shared().installation.call('POST', '/v1/deliveries/take', undefined, { token: taken.token });
    await shared().expect(200, 'DELETE', `/v1/deliveries/${ended.id}`);
    // Its time is over, and its envelope still there.
    await using raw = await openRaw(shared().place);
    await raw.run(`update deliveries set expires_at = ${Date.now() - 1} where id = '${late.id}'`);

    const all = await list(`&subject=${secret}`);
    const states = { [waiting.id]: 'waiting', [taken.id]: 'taken', [ended.id]: 'over', [late.id]: 'over' };
    assert.deepEqual(
      all.map(({ id, state }) => [id, state]),
      [late, ended, taken, waiting].map(({ id }) => [id, states[id]]),
    );
    for (const one of all) {
      assert.deepEqual([one.project, one.environment, one.subject], ['market', 'test', secret]);
      assert.ok(Date.parse(one.createdAt) <= Date.now());
    }
    assert.equal(all[3]?.expiresAt, waiting.expiresAt);
    const takenAt = all.map((one) => (one.takenAt === null ? null : Date.parse(one.takenAt) >= from));
    assert.deepEqual(takenAt, [null, null, true, null]);
    for (const { token } of links) assert.ok(!JSON.stringify(all).includes(token));

    for (const state of DELIVERY_STATES) {
      const wanted = all.filter((one) => one.state === state);
      assert.deepEqual(idsOf(await list(`&subject=${secret}&state=${state}`)), idsOf(wanted), state);
    }
  });

  it('has those of keys and Vault’s wrapped answers too, each by what it gives, page by page', async () => {
    const consumer = shared().market.consumer;
    const issue = { ...place, consumer, name: 'delivered', permissions: ['prices:read'] };
    const { credential, delivery } = await shared().expect(201, 'POST', '/v1/keys', {
      ...issue,
      deliverTo: { once: { ttlSeconds: 600 } },
    });
    const secret = await store('paged');
    const links = [delivery];
    for (let i = 0; i < 3; i++) links.push(await deliver(secret));
    const options = { wrapTtl: '5m', namespace: 'market/test' };
    const { wrap_info } = await shared().wire.expect(200, 'GET', 'secret/data/paged', undefined, options);
    assert.deepEqual(idsOf(await list(`&subject=${credential.id}`)), [delivery.id]);
    const seen: string[] = [];
    for (let cursor = ''; ; ) {
      const path = `/v1/deliveries?project=market&environment=test&limit=2${cursor}`;
      const { items, nextCursor } = await shared().expect(200, 'GET', path);
      seen.push(...idsOf(items));
      if (nextCursor === null) break;
      cursor = `&cursor=${nextCursor}`;
    }
    assert.deepEqual(seen.slice(0, 5), [wrap_info.accessor, ...idsOf(links).reverse()]);
    assert.deepEqual(seen, idsOf(await list('&limit=100')));
    assert.deepEqual(seen, [...new Set(seen)].sort().reverse());
  });

  it('has none that outlives the version that it gives: a link, a wrapped answer, or one that is rewrapped', async () => {
    const body = { ...place, path: 'short', data: {}, ttlSeconds: 300 };
    const { secret, version } = await shared().expect(201, 'POST', '/v1/secrets', body);
    const link = await deliver(secret.id, 3600);
    assert.equal(link.expiresAt, version.expiresAt);
    const options = { namespace: 'market/test' };
    const long = { ...options, wrapTtl: '1h' };
    const { wrap_info } = await shared().wire.expect(200, 'GET', 'secret/data/short', undefined, long);
    const { token } = wrap_info;
    const rewrapped = await shared().wire.expect(200, 'POST', 'sys/wrapping/rewrap', { token }, options);
    const made = [rewrapped.wrap_info.accessor, wrap_info.accessor, link.id];
    for (const { ttl } of [wrap_info, rewrapped.wrap_info]) assert.ok(ttl > 0 && ttl <= 300, `${ttl}`);
    assert.deepEqual(
      (await list('&limit=3')).map(({ id, expiresAt }) => [id, expiresAt]),
      made.map((id) => [id, version.expiresAt]),
    );
    const shorter = await deliver(secret.id, 60);
    assert.ok(
      Date.parse(shorter.expiresAt) < Date.parse(version.expiresAt) - 200_000,
      'its own time, where that is less',
    );
  });

  it('is of one environment, and shown to who may read there', async () => {
    await deliver(await store('here'));
    const elsewhere = { name: 'elsewhere', prefix: 'market_elsewhere' };
    await shared().expect(201, 'POST', '/v1/projects/market/environments', elsewhere);
    assert.deepEqual(await list('', 'elsewhere'), []);
    const bound = await shared().token({ scopes: ['read'], environment: 'market/elsewhere' });
    const path = '/v1/deliveries?project=market&environment=test';
    const refused = await shared().installation.call('GET', path, undefined, { token: bound });
    assert.deepEqual([refused.status, refused.body.code], [404, 'ENVIRONMENT_NOT_FOUND']);
  });
});
