import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { RateLimitVerdict } from '@keyhold/protocol/verdict';
import fc from 'fast-check';
import {
  describeLimits,
  type LimitHolder,
  limitRules,
  limitsAllow,
  SLOTS_PER_LIMIT,
  SlotTable,
  takeFromLimits,
  writeLimits,
} from './limits.ts';

interface Limited {
  /** Takes the cost if every limit allows it. */
  take(cost: number, now: number): boolean;
  allows(cost: number, now: number): boolean;
  describe(refusedCost: number | null, now: number): RateLimitVerdict[];
}

function limited(...limits: readonly [limit: number, windowSeconds: number][]): Limited {
  const table = new SlotTable();
  const set = limits.map(([limit, windowSeconds], i) => ({ name: `l${i}`, limit, windowSeconds }));
  const rules = limitRules(set);
  const holder: LimitHolder = { rules, slot: table.allocate(rules.length * SLOTS_PER_LIMIT) };
  writeLimits(table, holder.slot, set);
  const allows = (cost: number, now: number) => limitsAllow(table, holder, cost, now);
  return {
    allows,
    take: (cost, now) => {
      const allowed = allows(cost, now);
      if (allowed) takeFromLimits(table, holder, cost, now);
      return allowed;
    },
    describe: (refusedCost, now) => describeLimits(table, holder, refusedCost, now),
  };
}

/** GCRA in whole numbers, as ITU-T I.371 has it: time in units of 1/limit milliseconds, so that nothing is rounded. */
class NaiveGcra {
  readonly #limit: bigint;
  readonly #window: bigint;
  #tat = 0n;

  constructor(limit: number, windowMs: number) {
    this.#limit = BigInt(limit);
    this.#window = BigInt(windowMs);
  }

  take(cost: number, nowMs: number): boolean {
    const now = BigInt(nowMs) * this.#limit;
    const next = (this.#tat > now ? this.#tat : now) + BigInt(cost) * this.#window;
    if (next - now > this.#window * this.#limit) return false;
    this.#tat = next;
    return true;
  }
}

const limits = fc.integer({ min: 1, max: 1_000 });
const windows = fc.integer({ min: 1, max: 3_600 });
const starts = fc.integer({ min: 1, max: 10 ** 9 });

it('decides every request as a naive model in whole numbers does', () => {
  const requests = fc.array(fc.tuple(fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 0, max: 12 })), {
    maxLength: 60,
  });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 10 }),
      fc.integer({ min: 1, max: 60 }),
      starts,
      requests,
      (limit, window, start, steps) => {
        const ours = limited([limit, window]);
        const model = new NaiveGcra(limit, window * 1000);
        let now = start;
        for (const [pause, cost] of steps) {
          now += pause;
          assert.equal(ours.take(cost, now), model.take(cost, now), `cost ${cost} at ${now - start}`);
        }
      },
    ),
    { numRuns: 500 },
  );
});

it('allows a burst of exactly the limit, at any moment', () => {
  fc.assert(
    fc.property(limits, windows, fc.double({ min: 0, max: 1e9, noNaN: true }), (limit, window, now) => {
      const ours = limited([limit, window]);
      for (let i = 0; i < limit; i++) assert.ok(ours.take(1, now), `request ${i + 1} of ${limit}`);
      assert.ok(!ours.take(1, now), 'one more');
    }),
  );
});

it('gives back one unit each window/limit milliseconds, and never more than the limit', () => {
  const ours = limited([4, 2]);
  for (let i = 0; i < 4; i++) assert.ok(ours.take(1, 0));
  assert.ok(!ours.take(1, 499));
  assert.ok(ours.take(1, 500));
  assert.ok(!ours.take(1, 999));
  assert.ok(ours.take(2, 1_500));
  assert.ok(!ours.take(5, 1_000_000));
  assert.ok(ours.take(4, 1_000_000));
  assert.ok(!ours.take(1, 1_000_000));
});

it('takes nothing for cost 0, and passes it even when all is used up', () => {
  const ours = limited([2, 1]);
  for (let i = 0; i < 100; i++) assert.ok(ours.take(0, 0));
  assert.ok(ours.take(2, 0));
  assert.ok(ours.take(0, 0));
  assert.ok(!ours.take(1, 0));
});

it('never allows a cost above the limit, however long one waits', () => {
  fc.assert(
    fc.property(limits, windows, fc.integer({ min: 1, max: 1_000 }), starts, (limit, window, more, now) => {
      assert.ok(!limited([limit, window]).allows(limit + more, now));
      assert.ok(limited([limit, window]).allows(limit, now));
    }),
  );
});

it('says how long to wait: after that the request passes, a millisecond before it was due it does not', () => {
  fc.assert(
    fc.property(limits, windows, fc.nat(), fc.nat(), starts, (limit, window, spent, next, start) => {
      const ours = limited([limit, window]);
      const [used, cost] = [1 + (spent % limit), 1 + (next % limit)];
      assert.ok(ours.take(used, start));
      const [described] = ours.describe(cost, start);
      if (ours.allows(cost, start)) return assert.equal(described?.retryAfterSeconds, undefined);
      const dueMs = ((used + cost - limit) * window * 1000) / limit;
      const wait = described?.retryAfterSeconds ?? 0;
      assert.ok(Number.isInteger(wait) && wait >= 1);
      assert.ok(ours.allows(cost, start + wait * 1000), `refused after ${wait} s`);
      assert.ok(!ours.allows(cost, start + dueMs - 1), `allowed 1 ms before ${dueMs}`);
      assert.ok(wait - 1 < dueMs / 1000, `${wait} s is longer than ${dueMs} ms`);
    }),
    { numRuns: 500 },
  );
});

it('takes from all limits or from none', () => {
  const ours = limited([10, 1], [3, 60]);
  assert.ok(ours.take(3, 0));
  for (let i = 0; i < 50; i++) assert.ok(!ours.take(1, 0));
  assert.deepEqual(
    ours.describe(1, 0).map(({ remaining }) => remaining),
    [7, 0],
  );
  const [first, second] = ours.describe(1, 0);
  assert.equal(first?.retryAfterSeconds, undefined, 'this limit did not refuse');
  assert.equal(second?.retryAfterSeconds, 20);
});

it('tells what is left as the number of units that would pass now', () => {
  fc.assert(
    fc.property(limits, windows, fc.nat(), fc.integer({ min: 0, max: 100_000 }), (limit, window, spent, pause) => {
      const ours = limited([limit, window]);
      const used = spent % (limit + 1);
      ours.take(used, 0);
      const [described] = ours.describe(null, pause);
      const remaining = described?.remaining ?? -1;
      const resetMs = Math.max(0, (used * window * 1000) / limit - pause);
      assert.ok(ours.allows(remaining, pause), `${remaining} do not pass`);
      assert.ok(!ours.allows(remaining + 1, pause), `${remaining + 1} pass`);
      assert.ok(Math.abs((described?.resetSeconds ?? -1) - Math.ceil(resetMs / 1000)) <= 1);
    }),
  );
});

it('hands out slots unused by anybody else, as never used, and those given back first', () => {
  const table = new SlotTable();
  const owners = new Map<number, number>();
  const runs: [number, number][] = [];
  let top = 0;
  const step = fc.record({ count: fc.integer({ min: 1, max: 6 }), release: fc.nat({ max: 2 }), which: fc.nat() });
  for (const { count, release, which } of fc.sample(step, { numRuns: 5_000, seed: 7 })) {
    const run = release === 0 ? runs.splice(which % Math.max(1, runs.length), 1)[0] : undefined;
    if (run !== undefined) {
      for (let i = 0; i < run[1]; i++) owners.delete(run[0] + i);
      table.release(run[0], run[1]);
      continue;
    }
    const start = table.allocate(count);
    for (let i = 0; i < count; i++) {
      assert.ok(!owners.has(start + i), 'a slot has two owners');
      assert.equal(table.get(start + i), Number.NEGATIVE_INFINITY);
      owners.set(start + i, start);
      table.set(start + i, start);
    }
    runs.push([start, count]);
    top = Math.max(top, start + count);
  }
  for (const [slot, owner] of owners) assert.equal(table.get(slot), owner, 'a value was lost');
  assert.ok(top > 1024, 'the table never grew');
});

it('lets nobody wait longer than the window that a limit has now, whatever it had before', () => {
  const table = new SlotTable();
  const [day, minute] = [86_400, 60].map((windowSeconds) => [{ name: 'main', limit: 10, windowSeconds }] as const);
  assert.ok(day && minute);
  const slot = table.allocate(SLOTS_PER_LIMIT);
  writeLimits(table, slot, day);
  takeFromLimits(table, { rules: limitRules(day), slot }, 10, 0);
  const changed: LimitHolder = { rules: limitRules(minute), slot };
  for (const now of [1_000, 2_000]) assert.ok(!limitsAllow(table, changed, 1, now), 'what was used is not forgotten');
  assert.deepEqual(describeLimits(table, changed, 1, 2_000), [
    { name: 'main', limit: 10, remaining: 0, resetSeconds: 59, retryAfterSeconds: 5 },
  ]);
  assert.ok(limitsAllow(table, changed, 1, 7_000));
  assert.ok(!limitsAllow(table, changed, 2, 7_000));
  assert.ok(limitsAllow(table, changed, 10, 61_000));
});
