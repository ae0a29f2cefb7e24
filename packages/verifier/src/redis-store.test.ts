import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { Taken, TakeRequest } from './shared-store.ts';
import { haveRedis, RealRedis } from './testing/real-redis.ts';
import {
  onceNonce,
  risingNonce,
  sharedLimit,
  sharedQuota,
  takeRequest,
  WatchedStore,
} from './testing/shared-requests.ts';

const HOUR_MS = 3_600_000;

/** Runs `work` with that many verifiers' stores on one Redis of its own. */
async function withStores(
  t: TestContext,
  count: number,
  work: (stores: WatchedStore[], redis: RealRedis) => Promise<void>,
): Promise<void> {
  if (!haveRedis(t)) return;
  await using redis = await RealRedis.start();
  const stores = Array.from({ length: count }, () => new WatchedStore({ url: redis.url, timeoutMs: 5_000 }));
  try {
    await Promise.all(stores.map((store) => store.untilReady()));
    await work(stores, redis);
  } finally {
    for (const store of stores) store.close();
  }
}

function codes(taken: readonly Taken[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { code } of taken) counts[code] = (counts[code] ?? 0) + 1;
  return counts;
}

describe('what many verifiers take at once', () => {
  it('50 of them, one nonce: one accepts it', (t) =>
    withStores(t, 50, async (stores) => {
      for (let round = 0; round < 20; round++) {
        const request = takeRequest({ replay: onceNonce(`nonce ${round}`) });
        assert.deepEqual(codes(await Promise.all(stores.map((store) => store.take(request)))), {
          VALID: 1,
          REPLAYED: 49,
        });
      }
      const request = takeRequest({ replay: risingNonce(7n, { credentialCreatedAt: Date.now() + HOUR_MS }) });
      assert.deepEqual(codes(await Promise.all(stores.map((store) => store.take(request)))), {
        VALID: 1,
        REPLAYED: 49,
      });
    }));

  it('a limit and a quota are exact across them', (t) =>
    withStores(t, 2, async ([first, second]) => {
      assert.ok(first && second);
      const race = (request: TakeRequest) =>
        Promise.all(Array.from({ length: 400 }, (_, i) => (i % 2 ? first : second).take(request)));
      assert.deepEqual(codes(await race(takeRequest({ limits: [sharedLimit(100, HOUR_MS)] }))), {
        VALID: 100,
        RATE_LIMITED: 300,
      });
      assert.deepEqual(codes(await race(takeRequest({ quota: sharedQuota(100), cost: 3 }))), {
        VALID: 33,
        QUOTA_EXCEEDED: 367,
      });
    }));
});

describe('a refused request spends nothing', () => {
  it('no nonce where a limit or the quota refuses, and no unit where the nonce is refused', (t) =>
    withStores(t, 1, async ([store]) => {
      assert.ok(store);
      const limits = [sharedLimit(2, HOUR_MS, 'own'), sharedLimit(1, HOUR_MS, 'consumer')];
      const take = (nonce: string, changes: Partial<TakeRequest> = {}) =>
        store.take(takeRequest({ replay: onceNonce(nonce), limits, ...changes }));
      const first = await take('a');
      assert.ok(first.code === 'VALID');
      assert.deepEqual(
        first.limits.map(({ remaining, retryAfterMs }) => [remaining, retryAfterMs]),
        [
          [1, 0],
          [0, 0],
        ],
      );
      const limited = await take('b');
      assert.ok(limited.code === 'RATE_LIMITED');
      assert.deepEqual(
        limited.limits.map(({ remaining }) => remaining),
        [1, 0],
      );
      assert.equal(limited.limits[0]?.retryAfterMs, 0);
      assert.ok((limited.limits[1]?.retryAfterMs ?? 0) > HOUR_MS - 60_000);
      assert.equal((await take('a')).code, 'REPLAYED');
      assert.equal((await take('b', { limits: [], quota: sharedQuota(0) })).code, 'QUOTA_EXCEEDED');
      assert.equal((await take('b', { limits: limits.slice(0, 1) })).code, 'VALID');
      assert.equal((await take('c', { limits: limits.slice(0, 1) })).code, 'RATE_LIMITED');
    }));

  it('no second factor either, and where it is spent no nonce and no unit', (t) =>
    withStores(t, 2, async ([store, second]) => {
      assert.ok(store && second);
      const limits = [sharedLimit(1, HOUR_MS)];
      const take = (nonce: string | null, code: string, changes: Partial<TakeRequest> = {}, of = store) =>
        of.take(
          takeRequest({
            replay: nonce === null ? null : onceNonce(nonce),
            factor: onceNonce(code),
            limits,
            ...changes,
          }),
        );
      assert.equal((await take('a', '1', { quota: sharedQuota(0) })).code, 'QUOTA_EXCEEDED');
      const taken = await take('a', '1', { quota: sharedQuota(5) });
      assert.ok(taken.code === 'VALID');
      assert.deepEqual([taken.limits[0]?.remaining, taken.quota], [0, { used: 1 }]);
      assert.equal((await take('a', '1')).code, 'FACTOR_SPENT', 'the first that applies');
      assert.equal((await take('a', '2')).code, 'REPLAYED');
      assert.equal((await take('b', '2')).code, 'RATE_LIMITED');
      assert.equal((await take('b', '1', { limits: [] }, second)).code, 'FACTOR_SPENT', 'for every verifier');
      assert.equal((await take(null, '2', { limits: [] })).code, 'VALID', 'a bearer key has no nonce');
      assert.equal((await take('b', '3', { limits: [], cost: 0 })).code, 'VALID');
      const old = onceNonce('4', { signedAt: Date.now() - HOUR_MS });
      assert.equal((await take('c', '', { factor: old, limits: [] })).code, 'FACTOR_SPENT', 'from before its memory');
      const rising = risingNonce(7n, { credentialCreatedAt: Date.now() + HOUR_MS });
      assert.equal((await take(null, '1', { replay: rising, limits: [] })).code, 'FACTOR_SPENT');
      assert.equal((await take(null, '5', { replay: rising, limits: [] })).code, 'VALID');
      const race = await Promise.all(
        Array.from({ length: 100 }, (_, i) => take(`r${i}`, '6', { limits: [] }, i % 2 ? store : second)),
      );
      assert.deepEqual(codes(race), { VALID: 1, FACTOR_SPENT: 99 });
    }));

  it('quota counts by period, from no less than what the control plane knows', (t) =>
    withStores(t, 1, async ([store]) => {
      assert.ok(store);
      const used = async (changes: Partial<ReturnType<typeof sharedQuota>>, cost = 1) => {
        const taken = await store.take(takeRequest({ quota: sharedQuota(10, changes), cost }));
        return taken.code === 'UNAVAILABLE' ? null : [taken.code, taken.quota?.used];
      };
      assert.deepEqual(await used({ floor: 7 }), ['VALID', 8]);
      assert.deepEqual(await used({ floor: 2 }, 3), ['QUOTA_EXCEEDED', 8]);
      assert.deepEqual(await used({}, 2), ['VALID', 10]);
      assert.deepEqual(await used({}), ['QUOTA_EXCEEDED', 10]);
      const periodStart = Date.UTC(2027, 0, 1);
      assert.deepEqual(await used({ periodStart, periodEnd: periodStart + HOUR_MS }), ['VALID', 1]);
      assert.deepEqual(await used({}), ['QUOTA_EXCEEDED', 10]);
    }));
});

describe('nonces', () => {
  it('once: good until their time by the clock of Redis', (t) =>
    withStores(t, 1, async ([store]) => {
      assert.ok(store);
      const take = async (replay: TakeRequest['replay']) => (await store.take(takeRequest({ replay }))).code;
      assert.equal(await take(onceNonce('a', { untilMs: Date.now() - 50 })), 'TOO_OLD');
      const untilMs = Date.now() + 300;
      const longer = { untilMs, keptUntilMs: untilMs + HOUR_MS };
      assert.equal(await take(onceNonce('b', { untilMs, keptUntilMs: untilMs })), 'VALID');
      assert.equal(await take(onceNonce('c', longer)), 'VALID');
      let last = '';
      while (last !== 'TOO_OLD') {
        last = await take(onceNonce('b', { untilMs }));
        assert.ok(last === 'REPLAYED' || last === 'TOO_OLD', last);
      }
      assert.equal(await take(onceNonce('c', longer)), 'TOO_OLD');
      const widened = { untilMs: longer.keptUntilMs, keptUntilMs: longer.keptUntilMs };
      assert.equal(await take(onceNonce('c', widened)), 'REPLAYED', 'settings let it be good for longer');
    }));

  it('rising: compared in all their 64 bits, and kept', (t) =>
    withStores(t, 1, async ([store], redis) => {
      assert.ok(store);
      const created = { credentialCreatedAt: Date.now() + HOUR_MS };
      const take = async (value: bigint) =>
        (await store.take(takeRequest({ replay: risingNonce(value, created) }))).code;
      const top = 2n ** 64n - 1n;
      const order = [9n, 9n, 10n, 2n ** 53n + 1n, 2n ** 53n, 2n ** 53n + 2n, top - 1n, top - 1n, top, top, 11n];
      const answers = [];
      for (const value of order) answers.push((await take(value)) === 'VALID');
      assert.deepEqual(answers, [true, false, true, true, false, true, true, false, true, false, false]);
      using connection = redis.connect();
      const [key] = await connection.client.keys('*rising*');
      assert.equal(await connection.client.pttl(key as string), -1);
    }));
});

it('everything of one owner is in one slot of a cluster', async (t) => {
  if (!haveRedis(t)) return;
  await using redis = await RealRedis.start('--cluster-enabled', 'yes');
  using connection = redis.connect();
  await connection.client.cluster('ADDSLOTSRANGE', 0, 16_383);
  while (!/cluster_state:ok/.test(await connection.client.cluster('INFO'))) {}
  using store = await new WatchedStore({ url: redis.url, timeoutMs: 5_000 }).untilReady();
  for (let owner = 0; owner < 200; owner++) {
    const limits = [sharedLimit(5, 1_000, `${owner}/own`), sharedLimit(5, 1_000, `${owner}/all`)];
    const request = {
      owner: `cons_${owner}`,
      replay: onceNonce(`${owner}`),
      limits,
      quota: sharedQuota(5, { id: `${owner}` }),
    };
    assert.equal((await store.take(takeRequest(request))).code, 'VALID');
  }
});
