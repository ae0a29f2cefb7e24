import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import {
  limitRules,
  limitsAllow,
  describeLimits,
  SLOTS_PER_LIMIT,
  SlotTable,
  takeFromLimits,
  writeLimits,
} from './limits.ts';
import { readTaken, takeArguments, takeScript } from './redis-scripts.ts';
import type { LimitState } from './shared-store.ts';
import { haveRedis, RealRedis } from './testing/real-redis.ts';
import { sharedLimit, takeRequest } from './testing/shared-requests.ts';

/** The shipped script with its clock taken from the last two arguments, so that both sides run at the same times. */
const SCRIPT = takeScript('local sec, usec = tonumber(ARGV[#ARGV - 1]), tonumber(ARGV[#ARGV])');
const REIGN = 'test';

const limits = fc.array(
  fc.record({ limit: fc.integer({ min: 1, max: 1_000_000 }), windowSeconds: fc.integer({ min: 1, max: 86_400 }) }),
  {
    minLength: 1,
    maxLength: 3,
  },
);
/** Pauses from microseconds to beyond the longest window; many short ones, so that limits are met. */
const pauses = fc.oneof(
  fc.constant(0),
  fc.integer({ min: 1, max: 3_000_000 }),
  fc.integer({ min: 1, max: 90_000_000 }).map((ms) => ms * 1000),
);
/** In shares of the smallest limit, so that limits of any size are met. */
const shares = fc.oneof(fc.constantFrom(0, 0.5, 1), fc.double({ min: 0, max: 1.1, noNaN: true }));

it('property: the script decides every request as one verifier does, and describes limits in the same numbers', async (t) => {
  if (!haveRedis(t)) return;
  await using redis = await RealRedis.start();
  using connection = redis.connect();
  const { client } = connection;
  let [run, requests, refusals] = [0, 0, 0];
  await fc.assert(
    fc.asyncProperty(
      limits,
      fc.array(fc.tuple(pauses, shares), { minLength: 1, maxLength: 25 }),
      async (set, steps) => {
        const owner = `run ${run++}`;
        const named = set.map((one, i) => ({ ...one, name: `l${i}` }));
        const table = new SlotTable();
        const holder = { rules: limitRules(named), slot: table.allocate(named.length * SLOTS_PER_LIMIT) };
        writeLimits(table, holder.slot, named);
        const smallest = Math.min(...set.map(({ limit }) => limit));
        const start = BigInt(Date.now()) * 1000n;
        let now = start;
        for (const [pause, share] of steps) {
          now += BigInt(pause);
          const cost = Math.round(smallest * share);
          const [sec, usec] = [now / 1_000_000n, now % 1_000_000n];
          const args = takeArguments(
            't',
            REIGN,
            takeRequest({
              owner,
              limits: named.map(({ limit, windowSeconds, name }) =>
                sharedLimit(limit, windowSeconds * 1000, `${owner} ${name}`),
              ),
              cost,
            }),
          );
          await client.hset(args[1] as string, { reign: REIGN, since: 0, latest: Number(now / 1000n) });
          const reply = await client.eval(SCRIPT.text, args[0] as number, ...args.slice(1), `${sec}`, `${usec}`);
          const theirs = readTaken(reply as number[]);
          assert.ok(theirs);
          const monotonic = Number(now - start) / 1000;
          const allowed = limitsAllow(table, holder, cost, monotonic);
          if (allowed) takeFromLimits(table, holder, cost, monotonic);
          assert.equal(theirs.code, allowed ? 'VALID' : 'RATE_LIMITED');
          const ours = describeLimits(table, holder, allowed ? null : cost, monotonic);
          for (const [i, { remaining, resetSeconds, retryAfterSeconds = 0 }] of ours.entries()) {
            const their: LimitState | undefined = theirs.limits[i];
            assert.equal(their?.remaining, remaining);
            assert.ok(Math.abs((their?.resetMs ?? NaN) / 1000 - resetSeconds) <= 1.001);
            assert.ok(Math.abs((their?.retryAfterMs ?? NaN) / 1000 - retryAfterSeconds) <= 1.001);
          }
          requests++;
          if (!allowed) refusals++;
        }
      },
    ),
    { numRuns: 300 },
  );
  t.diagnostic(`${requests} requests, ${refusals} of them refused by both`);
  assert.ok(refusals > requests / 20 && refusals < requests);
});

it('lets nobody wait longer than the window that a limit has now, as one verifier does', async (t) => {
  if (!haveRedis(t)) return;
  await using redis = await RealRedis.start();
  using connection = redis.connect();
  const { client } = connection;
  const start = Math.floor(Date.now() / 1000);
  const take = async (windowSeconds: number, cost: number, atSeconds: number) => {
    const limit = sharedLimit(10, windowSeconds * 1000, 'main');
    const args = takeArguments('t', REIGN, takeRequest({ owner: 'changed', limits: [limit], cost }));
    const sec = start + atSeconds;
    await client.hset(args[1] as string, { reign: REIGN, since: 0, latest: sec * 1000 });
    const reply = await client.eval(SCRIPT.text, args[0] as number, ...args.slice(1), String(sec), '0');
    return readTaken(reply as number[])?.code;
  };
  assert.equal(await take(86_400, 10, 0), 'VALID');
  for (const at of [1, 2]) assert.equal(await take(60, 1, at), 'RATE_LIMITED', 'what was used is not forgotten');
  assert.equal(await take(60, 1, 7), 'VALID');
  assert.equal(await take(60, 1, 7), 'RATE_LIMITED');
  assert.equal(await take(60, 10, 68), 'VALID');
});
