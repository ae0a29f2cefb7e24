import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import type { Redis } from 'ioredis';
import { bindScript, partKey, partOf, readTaken, takeArguments, takeScript } from './redis-scripts.ts';
import type { TakeRequest } from './shared-store.ts';
import { haveMovableRedis, haveRedis, RealRedis } from './testing/real-redis.ts';
import {
  onceNonce,
  risingNonce,
  sharedLimit,
  sharedQuota,
  takeRequest,
  WatchedStore,
} from './testing/shared-requests.ts';

const HOUR_MS = 3_600_000;
const [QUIET, BUSY] = ['cons_1', 'others'];

interface World {
  readonly redis: RealRedis;
  readonly store: WatchedStore;
  /** Moves the clock, and returns when Redis has deleted whatever it deletes by it. */
  forth(byMs: number): Promise<void>;
  code(changes: Partial<TakeRequest>): Promise<string>;
}

async function withMovableRedis(t: TestContext, work: (world: World) => Promise<void>): Promise<void> {
  if (!haveMovableRedis(t)) return;
  await using redis = await RealRedis.movable();
  using connection = redis.connect();
  const { client } = connection;
  using store = await new WatchedStore({ url: redis.url, timeoutMs: 5_000 }).untilReady();
  const keysThatEnd = async () => Number(/expires=(\d+)/.exec(await client.info('keyspace'))?.[1] ?? 0);
  await work({
    redis,
    store,
    async forth(byMs) {
      // Nobody asks for it: it goes when Redis looks for what is over.
      await client.set('ends', '', 'PX', byMs / 2);
      redis.moveClock(byMs);
      while ((await keysThatEnd()) > 0) {}
    },
    code: async (changes) => (await store.take(takeRequest({ owner: QUIET, ...changes }))).code,
  });
}

/** What counts once or up to a bound, each spent to its end. */
function spentOnce(): Record<string, Partial<TakeRequest>> {
  return {
    nonce: { replay: onceNonce('nonce') },
    'second factor': { factor: onceNonce('factor') },
    limit: { limits: [sharedLimit(1, HOUR_MS)] },
    quota: { quota: sharedQuota(1, { periodStart: 0, periodEnd: Date.now() + 600_000 }) },
  };
}

const REFUSED = { nonce: 'REPLAYED', 'second factor': 'FACTOR_SPENT', limit: 'RATE_LIMITED', quota: 'QUOTA_EXCEEDED' };

async function eachOf({ code }: World, spent: ReturnType<typeof spentOnce>): Promise<Record<string, string>> {
  const codes: Record<string, string> = {};
  for (const [name, changes] of Object.entries(spent)) codes[name] = await code(changes);
  return codes;
}

describe('the clock of Redis goes forth by hours and back', () => {
  it('and nobody asks meanwhile: what was spent stays spent', (t) =>
    withMovableRedis(t, async (world) => {
      const { redis, forth, store } = world;
      const spent = spentOnce();
      assert.deepEqual(new Set(Object.values(await eachOf(world, spent))), new Set(['VALID']));
      assert.deepEqual(await eachOf(world, spent), REFUSED);
      await forth(3 * HOUR_MS);
      redis.moveClock(0);
      assert.deepEqual(await eachOf(world, spent), REFUSED);
      assert.deepEqual(store.history, ['ready'], 'nothing was forgotten, so nothing begins anew');
    }));

  it('and others ask meanwhile: their memory starts anew, and what is spent elsewhere stays spent', (t) =>
    withMovableRedis(t, async (world) => {
      const { redis, forth, store, code } = world;
      const spent = spentOnce();
      assert.notEqual(partOf(QUIET), partOf(BUSY));
      await eachOf(world, spent);
      const before = { owner: BUSY, replay: onceNonce('before', { signedAt: Date.now() - 1 }) };
      assert.equal(await code(before), 'VALID');
      assert.equal(await code(before), 'REPLAYED');
      await forth(3 * HOUR_MS);
      await code({ owner: BUSY });
      redis.moveClock(0);
      await store.untilReady();
      assert.equal(await code(before), 'TOO_OLD');
      assert.equal(await code({ owner: BUSY, replay: onceNonce('new') }), 'VALID');
      assert.deepEqual(await eachOf(world, spent), REFUSED);
    }));
});

/** The shipped scripts with a clock of the test's own; it binds a part again where a store would. */
class Scripts {
  nowMs: number;
  readonly #client: Redis;
  readonly #prefix: string;

  constructor(client: Redis, prefix: string, nowMs: number) {
    this.#client = client;
    this.#prefix = prefix;
    this.nowMs = nowMs;
  }

  key(name: string): string {
    return partKey(this.#prefix, partOf(QUIET), name);
  }

  /** Null where memory began anew, and nothing was decided. */
  async take(changes: Partial<TakeRequest>): Promise<{ code: string; startedAt: number } | null> {
    const args = takeArguments(this.#prefix, 'reign', takeRequest({ owner: QUIET, ...changes }));
    const taken = readTaken(await this.#run(takeScript, args));
    if (taken === null) await this.bind();
    return taken;
  }

  async bind(): Promise<void> {
    await this.#run(bindScript, [1, this.key('memory'), 'reign', 0, 0]);
  }

  async #run(made: typeof takeScript, args: readonly (string | number)[]): Promise<number[]> {
    const time = `local sec, usec = ${Math.floor(this.nowMs / 1000)}, ${(this.nowMs % 1000) * 1000}`;
    const [keys, ...rest] = args as [number, ...(string | number)[]];
    return (await this.#client.eval(made(time).text, keys, ...rest)) as number[];
  }
}

const moves = fc.record({
  byMs: fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0, max: 3_000 }) },
    { weight: 2, arbitrary: fc.integer({ min: -1_500, max: 0 }) },
    { weight: 1, arbitrary: fc.integer({ min: -7_200_000, max: 7_200_000 }) },
  ),
  id: fc.integer({ min: 0, max: 3 }),
  goodForMs: fc.constantFrom(500, 2_000, 30_000),
});

it('property: wherever the clock goes, a nonce is good once from one beginning of memory to the next', async (t) => {
  if (!haveRedis(t)) return;
  await using redis = await RealRedis.start();
  using connection = redis.connect();
  let [run, accepted, refused] = [0, 0, 0];
  await fc.assert(
    fc.asyncProperty(fc.array(moves, { minLength: 5, maxLength: 60 }), async (steps) => {
      const scripts = new Scripts(connection.client, `run ${run++}`, Date.UTC(2027, 0, 1));
      await scripts.bind();
      // A request that was accepted is sent again at each later step.
      let spent: ReturnType<typeof onceNonce>[] = [];
      for (const { byMs, id, goodForMs } of steps) {
        scripts.nowMs += byMs;
        const end = scripts.nowMs + goodForMs;
        const nonce = onceNonce(`${id} ${end}`, { signedAt: scripts.nowMs, untilMs: end, keptUntilMs: end });
        for (const replay of [...spent, nonce]) {
          const taken = await scripts.take({ replay });
          if (taken === null) spent = [];
          else if (taken.code !== 'VALID') refused++;
          else {
            assert.ok(!spent.includes(replay), `${replay.id} at ${scripts.nowMs}`);
            assert.ok(replay.signedAt >= taken.startedAt);
            spent.push(replay);
            accepted++;
          }
        }
      }
    }),
    { numRuns: 60 },
  );
  t.diagnostic(`${accepted} accepted, ${refused} refused`);
  assert.ok(accepted > 200 && refused > 200);
});

it('what is over is forgotten, by those who ask: what is remembered is bounded by what is in use', async (t) => {
  if (!haveRedis(t)) return;
  await using redis = await RealRedis.start();
  using connection = redis.connect();
  const { client } = connection;
  const scripts = new Scripts(client, 'p', Date.UTC(2027, 0, 1));
  await scripts.bind();
  const take = async (id: string) => {
    const untilMs = scripts.nowMs + 5_000;
    const nonce = { signedAt: scripts.nowMs, untilMs, keptUntilMs: untilMs };
    const taken = await scripts.take({
      replay: onceNonce(id, nonce),
      factor: onceNonce(id, nonce),
      limits: [sharedLimit(10, 5_000, id), sharedLimit(1_000, 60_000, 'of all')],
      quota: sharedQuota(500, { periodStart: 0, periodEnd: scripts.nowMs }),
    });
    assert.equal(taken?.code, 'VALID');
  };
  const remembered = async () => [await client.zcard(scripts.key('ends')), await client.hlen(scripts.key('counts'))];
  const peak = [0, 0];
  for (let i = 0; i < 500; i++) {
    scripts.nowMs += 100;
    await take(`${i}`);
    for (const [which, count] of (await remembered()).entries()) peak[which] = Math.max(peak[which] ?? 0, count);
  }
  // Five seconds of ten a second, and two more until it is sure that no clock goes back so far unnoticed.
  assert.ok((peak[0] ?? 0) <= 72 * 3 + 2 && (peak[1] ?? 0) <= 72 + 2, `${peak}`);
  scripts.nowMs += 2 * HOUR_MS;
  for (let i = 0; i < 100; i++) await scripts.take({});
  assert.deepEqual(await remembered(), [0, 0]);
  assert.deepEqual(await client.keys('*'), [scripts.key('memory')]);
});

it('a Redis that is full takes again once what filled it is over', async (t) => {
  if (!haveRedis(t)) return;
  await using redis = await RealRedis.start();
  using connection = redis.connect();
  const { client } = connection;
  const scripts = new Scripts(client, 'p', Date.UTC(2027, 0, 1));
  await scripts.bind();
  const take = async (id: number) => {
    const untilMs = scripts.nowMs + 3_000;
    const replay = onceNonce(`${id} ${'x'.repeat(200)}`, { signedAt: scripts.nowMs, untilMs, keptUntilMs: untilMs });
    return await scripts.take({ replay }).then(
      (taken) => taken?.code,
      (error: Error) => (/OOM/.test(error.message) ? 'FULL' : error.message),
    );
  };
  for (let i = 0; i < 500; i++) assert.equal(await take(i), 'VALID');
  // Below what it uses now, as when others filled the rest.
  const used = Number(/used_memory:(\d+)/.exec(await client.info('memory'))?.[1]);
  await client.config('SET', 'maxmemory', `${used - 1_000}`);
  assert.equal(await take(1_000), 'FULL');
  scripts.nowMs += 10_000;
  const codes = [];
  for (let i = 0; i < 200; i++) codes.push(await take(2_000 + i));
  assert.equal(codes.at(-1), 'VALID', `${codes.filter((code) => code === 'FULL').length} were refused`);
  assert.ok((await client.zcard(scripts.key('ends'))) <= 210);
});

it('a number that was written while the clock was ahead is not taken for remembered once memory began anew', async (t) => {
  if (!haveRedis(t)) return;
  await using redis = await RealRedis.start();
  using connection = redis.connect();
  const scripts = new Scripts(connection.client, 'p', Date.UTC(2027, 0, 1));
  await scripts.bind();
  const code = async (value: bigint) => {
    const credentialCreatedAt = Date.UTC(2026, 0, 1);
    return (await scripts.take({ replay: risingNonce(value, { credentialCreatedAt }) }))?.code;
  };
  scripts.nowMs += 3 * HOUR_MS;
  await connection.client.set(scripts.key('rising:cred_1'), `${'5'.padStart(20, '0')}:${scripts.nowMs}`);
  scripts.nowMs -= 3 * HOUR_MS;
  await connection.client.del(scripts.key('memory'));
  await scripts.bind();
  assert.equal(await code(5n), 'REPLAYED');
  assert.equal(await code(6n), 'UNKNOWN_NONCE');
});
