// Limits asked of a shared store per CPU-second of the verifier, many at once, against the bare call: one limit in the
// shortest Lua that has it right, by EVALSHA through the same client on the same Redis. The store writes what is asked
// in one turn together, and the client as it comes writes each call on its own: that is why the ratio may exceed 1.
import { RealRedis } from '../packages/verifier/src/testing/real-redis.ts';
import { RedisStore } from '../packages/verifier/src/redis-store.ts';
import type { TakeRequest } from '../packages/verifier/src/shared-store.ts';
import { alternate, median, ownCpuSeconds, sized } from './measure/alternate.ts';
import { compared, publish } from './measure/figure.ts';

const CALLS = sized(60_000, 6_000);
const AT_ONCE = 64;
const KEYS = 1_000;
const [LIMIT, WINDOW_MS] = [1_000_000, 60_000];

const BARE = `
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local tat = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0)) + ARGV[1] * ARGV[3] / ARGV[2]
if tat - now > tonumber(ARGV[3]) then return 0 end
redis.call('SET', KEYS[1], string.format('%.17g', tat), 'PX', math.ceil(tat - now))
return 1`;

await using redis = await RealRedis.start();
using connection = redis.connect();
const { client } = connection;
const sha1 = (await client.script('LOAD', BARE)) as string;
const store = await readyStore();
let calls = 0;
/** Round trips a second by the wall clock, of all sides. */
const wall: Record<string, number[]> = {};

const sides = {
  limit: () => measure('limit', (index) => take(requestOf(index))),
  whole: () => measure('nonce, two limits and a quota', (index) => take(wholeOf(index))),
  bare: () => measure('bare call', askBare),
};
for (const warmUp of Object.values(sides)) await warmUp();
for (const times of Object.values(wall)) times.length = 0;
const { limit, whole, bare } = await alternate(sides);
const notes = [
  `with a nonce, two limits and a quota: ${Math.round(median(whole))}`,
  ...Object.entries(wall).map(
    ([name, times]) => `${name}: ${Math.round(median(times))} round trips/s by the wall clock`,
  ),
];
publish(compared('redis-limit', 'limits asked per CPU-second', median(limit), median(bare), notes));
store.close();

function readyStore(): Promise<RedisStore> {
  return new Promise((resolve) => {
    const events = { ready: () => resolve(made) };
    const made = new RedisStore({ url: redis.url, timeoutMs: 10_000, events });
  });
}

async function measure(name: string, call: (index: number) => Promise<void>): Promise<number> {
  const before = { cpu: ownCpuSeconds(), at: performance.now() };
  let left = CALLS;
  const worker = async () => {
    while (left-- > 0) await call(calls++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  (wall[name] ??= []).push(CALLS / ((performance.now() - before.at) / 1000));
  return CALLS / (ownCpuSeconds() - before.cpu);
}

async function take(request: TakeRequest): Promise<void> {
  const { code } = await store.take(request);
  if (code !== 'VALID') throw new Error(`what is allowed was answered ${code}`);
}

function requestOf(index: number): TakeRequest {
  const key = `key_${index % KEYS}`;
  const limits = [{ id: `${key}/burst`, windowMs: WINDOW_MS, limit: LIMIT }];
  return { owner: `cons_${index % KEYS}`, replay: null, factor: null, limits, quota: null, cost: 1 };
}

function wholeOf(index: number): TakeRequest {
  const [{ limits, ...request }, now] = [requestOf(index), Date.now()];
  return {
    ...request,
    replay: {
      kind: 'once',
      id: `nonce_${index}`,
      signedAt: now,
      untilMs: now + 10_000,
      keptUntilMs: now + 10_000,
      aheadMs: 0,
    },
    limits: [...limits, { id: `${request.owner}/all`, windowMs: WINDOW_MS, limit: LIMIT }],
    quota: { id: request.owner, periodStart: 0, periodEnd: now + 86_400_000, limit: 1e12, floor: 0 },
  };
}

async function askBare(index: number): Promise<void> {
  const answer = await client.evalsha(sha1, 1, `bare:${index % KEYS}`, 1, LIMIT, WINDOW_MS);
  if (answer !== 1) throw new Error('what is allowed was refused');
}
