import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { systemClock } from './clock.ts';
import type { RedisStoreOptions } from './redis-store.ts';
import { partKey, partOf } from './redis-scripts.ts';
import type { TakeRequest } from './shared-store.ts';
import { haveRedis, RealRedis } from './testing/real-redis.ts';
import { onceNonce, risingNonce, sharedLimit, takeRequest, WatchedStore } from './testing/shared-requests.ts';

const HOUR_MS = 3_600_000;

interface World {
  readonly redis: RealRedis;
  readonly store: WatchedStore;
  code(replay: TakeRequest['replay']): Promise<string>;
}

async function withRedis(
  t: TestContext,
  settings: readonly string[],
  options: Partial<RedisStoreOptions>,
  work: (world: World) => Promise<void>,
): Promise<void> {
  if (!haveRedis(t)) return;
  await using redis = await RealRedis.start(...settings);
  using store = await new WatchedStore({ url: redis.url, ...options }).untilReady();
  await work({ redis, store, code: async (replay) => (await store.take(takeRequest({ replay }))).code });
}

async function killAndRestart({ redis, store }: World): Promise<void> {
  await redis.kill();
  await store.untilUnavailable();
  await redis.start();
  await store.untilReady();
}

/** Signed just before now: before any memory that begins from now on. */
function signedNow(id: string) {
  return onceNonce(id, { signedAt: Date.now() - 1 });
}

describe('a Redis killed under load', () => {
  it('answers nobody, keeps nobody waiting, and is back by itself; what was signed before is refused then', (t) =>
    withRedis(t, [], {}, async (world) => {
      const { redis, store, code } = world;
      // Signed by a clock a little ahead, so that it is good before the kill and would be after the restart.
      const used = onceNonce('used');
      assert.equal(await code(used), 'VALID');
      assert.equal(await code(used), 'REPLAYED');
      const load = Array.from({ length: 500 }, (_, i) => code(onceNonce(`load ${i}`)));
      await redis.kill();
      for (const answer of await Promise.all(load)) assert.match(answer, /^(?:VALID|UNAVAILABLE)$/);
      await store.untilUnavailable();
      assert.equal(await code(signedNow('down')), 'UNAVAILABLE');
      assert.equal(store.unanswered, 0);
      const unused = signedNow('signed before the restart, and never used');
      await redis.start();
      await store.untilReady();
      assert.equal(await code({ ...used, aheadMs: 5_000 }), 'TOO_OLD');
      assert.equal(await code(unused), 'TOO_OLD');
      assert.equal(await code(onceNonce('new')), 'VALID');
      const taken = await store.take(takeRequest());
      assert.ok(taken.code === 'VALID' && taken.startedAt > unused.signedAt && taken.decidedAt >= taken.startedAt);
    }));

  it('with its data on disk: what was not synced may be missing, so what was signed before is refused too', (t) =>
    withRedis(t, ['--appendonly', 'yes', '--appendfsync', 'everysec'], {}, async (world) => {
      const { code } = world;
      const counted = risingNonce(5n, { credentialCreatedAt: Date.now() + HOUR_MS });
      assert.deepEqual([await code(onceNonce('a')), await code(counted)], ['VALID', 'VALID']);
      const before = signedNow('a');
      await killAndRestart(world);
      assert.equal(await code(before), 'TOO_OLD');
      // Made before this memory began, and 6 may have been accepted and forgotten.
      assert.equal(await code(risingNonce(6n)), 'UNKNOWN_NONCE');
      assert.equal(await code(risingNonce(BigInt(before.signedAt) * 1000n)), 'UNKNOWN_NONCE');
      assert.equal(await code(risingNonce(BigInt(Date.now() + HOUR_MS) * 1000n)), 'UNKNOWN_NONCE');
      let [time, answer] = [risingNonce(0n), 'UNKNOWN_NONCE'];
      while (answer === 'UNKNOWN_NONCE') answer = await code((time = risingNonce(BigInt(Date.now()) * 1000n)));
      assert.equal(answer, 'VALID');
      assert.equal(await code(time), 'REPLAYED');
      assert.equal(await code(risingNonce(time.value + 1n)), 'VALID', 'it is remembered again');
    }));

  it('and said to be durable: nothing is refused that was not used, and what was used is known', (t) =>
    withRedis(t, ['--appendonly', 'yes', '--appendfsync', 'always'], { durable: true }, async (world) => {
      const { code, store } = world;
      const [used, unused] = [onceNonce('a'), onceNonce('b', { signedAt: Date.now() })];
      const created = { credentialCreatedAt: Date.now() + HOUR_MS };
      assert.deepEqual([await code(used), await code(risingNonce(5n, created))], ['VALID', 'VALID']);
      await killAndRestart(world);
      assert.deepEqual([await code(used), await code(unused)], ['REPLAYED', 'VALID']);
      assert.deepEqual([await code(risingNonce(5n)), await code(risingNonce(6n))], ['REPLAYED', 'VALID']);
      assert.deepEqual(store.warnings, []);
    }));
});

describe('rising nonces that nobody remembers', () => {
  it('are good from anywhere for a credential made since, and elsewhere as a time since, in ms, µs and ns', (t) =>
    withRedis(t, [], {}, async ({ code, store }) => {
      const { startedAt, decidedAt } = (await store.take(takeRequest())) as { startedAt: number; decidedAt: number };
      const of = (id: string, value: bigint, credentialCreatedAt = 0) =>
        code(risingNonce(value, { id, credentialCreatedAt, aheadMs: 1_000 }));
      assert.equal(await of('new', 0n, startedAt + 1_001), 'VALID');
      assert.equal(await of('old', 0n, startedAt + 1_000), 'UNKNOWN_NONCE');
      const late = BigInt(startedAt + 1_001);
      for (const scale of [1n, 1_000n, 1_000_000n]) {
        assert.equal(await of(`before ${scale}`, BigInt(startedAt + 1_000) * scale), 'UNKNOWN_NONCE');
        assert.equal(await of(`later ${scale}`, BigInt(decidedAt + HOUR_MS) * scale), 'UNKNOWN_NONCE');
        let answer = 'UNKNOWN_NONCE';
        // Good as soon as it is not ahead of now by more than was allowed.
        while (answer === 'UNKNOWN_NONCE') answer = await of(`at ${scale}`, late * scale);
        assert.equal(answer, 'VALID');
      }
    }));
});

describe('a Redis that stands still', () => {
  it('times out, holds no more calls than was said, and goes on when it does', (t) =>
    withRedis(t, [], { timeoutMs: 50, maxUnanswered: 100 }, async ({ redis, store, code }) => {
      redis.signal('SIGSTOP');
      const waiting = Array.from({ length: 1_000 }, (_, i) => code(signedNow(`${i}`)));
      assert.equal(store.unanswered, 100);
      assert.deepEqual(new Set(await Promise.all(waiting)), new Set(['UNAVAILABLE']));
      while (store.ready) await code(signedNow('more'));
      assert.equal(store.unanswered, 0);
      redis.signal('SIGCONT');
      await store.untilReady();
      assert.equal(await code(onceNonce('after')), 'VALID');
    }));
});

describe('memory lost while it runs is noticed', () => {
  it('data flushed', (t) =>
    withRedis(t, [], {}, async ({ redis, store, code }) => {
      const used = signedNow('a');
      assert.equal(await code(onceNonce('first')), 'VALID');
      using connection = redis.connect();
      await connection.client.flushall();
      assert.equal(await code(used), 'UNAVAILABLE');
      await store.untilReady();
      assert.equal(await code(used), 'TOO_OLD');
      assert.equal(await code(onceNonce('b')), 'VALID');
    }));

  it('scripts flushed: nothing is lost', (t) =>
    withRedis(t, [], {}, async ({ redis, store, code }) => {
      const used = onceNonce('a');
      assert.equal(await code(used), 'VALID');
      using connection = redis.connect();
      await connection.client.script('FLUSH');
      assert.equal(await code(used), 'UNAVAILABLE');
      await store.untilReady();
      assert.equal(await code(used), 'REPLAYED');
    }));

  it('its clock set back by an hour: keys may have expired meanwhile, and memory starts now', (t) =>
    withRedis(t, [], {}, async ({ redis, store, code }) => {
      const used = signedNow('a');
      using connection = redis.connect();
      await connection.client.hset(partKey('keyhold', partOf('cons_1'), 'memory'), 'latest', Date.now() + HOUR_MS);
      assert.equal(await code(used), 'UNAVAILABLE');
      await store.untilReady();
      assert.equal(await code(used), 'TOO_OLD');
      assert.equal(await code(onceNonce('b')), 'VALID');
    }));

  it('limits written by a clock ahead make nobody wait longer than a window', (t) =>
    withRedis(t, [], {}, async ({ redis, store }) => {
      const limits = [sharedLimit(1, 1_000)];
      using connection = redis.connect();
      const ahead = Math.floor(Date.now() / 1000) + 3_600;
      await connection.client.hset(
        partKey('keyhold', partOf('cons_1'), 'counts'),
        `limit:${limits[0]?.id}`,
        `1000:${ahead}:0`,
      );
      const taken = await store.take(takeRequest({ limits }));
      assert.ok(taken.code === 'RATE_LIMITED' && taken.limits[0]?.retryAfterMs === 1_000);
    }));

  it('a replica is not asked until it takes over, and then remembers from then on', async (t) => {
    if (!haveRedis(t)) return;
    await using primary = await RealRedis.start();
    await using replica = await RealRedis.start('--replicaof', '127.0.0.1', `${primary.port}`);
    using first = await new WatchedStore({ url: primary.url }).untilReady();
    const used = signedNow('a');
    assert.equal((await first.take(takeRequest({ replay: onceNonce('b') }))).code, 'VALID');
    using second = new WatchedStore({ url: replica.url });
    using connection = replica.connect();
    while (!second.history.some((reason) => /replica/.test(reason))) await connection.client.ping();
    await connection.client.replicaof('NO', 'ONE');
    await second.untilReady();
    assert.equal((await second.take(takeRequest({ replay: used }))).code, 'TOO_OLD');
    assert.equal((await second.take(takeRequest({ replay: onceNonce('c') }))).code, 'VALID');
  });

  it('a clock of ours that is an hour off asks nobody', async (t) => {
    if (!haveRedis(t)) return;
    await using redis = await RealRedis.start();
    let offMs = 0;
    const clock = { ...systemClock, wall: () => Date.now() + offMs };
    using store = await new WatchedStore({ url: redis.url, clock }).untilReady();
    for (const off of [HOUR_MS, -HOUR_MS]) {
      offMs = off;
      await store.take(takeRequest());
      assert.match(await store.untilUnavailable(), /clock/);
      offMs = 0;
      await store.untilReady();
      assert.equal((await store.take(takeRequest())).code, 'VALID');
    }
  });
});
