import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ReplayMemory } from './replay-memory.ts';

const NOW = Date.UTC(2026, 0, 15, 12);
const HOUR_MS = 3_600_000;
const WINDOW_MS = 30_000;

function digestOf(name: string | number): Uint8Array {
  return hash('sha256', String(name), 'buffer');
}

function digests(count: number, prefix = ''): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => digestOf(`${prefix}${i}`));
}

describe('what was seen once is seen until its time is over', () => {
  it('at its last millisecond still, and whatever else came meanwhile', () => {
    const memory = new ReplayMemory();
    const until = NOW + WINDOW_MS;
    assert.equal(memory.once(digestOf('a'), until, NOW, false), 'fresh');
    for (const [i, digest] of digests(50_000).entries()) {
      assert.equal(memory.once(digest, until + (i % WINDOW_MS), NOW, false), 'fresh');
    }
    assert.equal(memory.once(digestOf('a'), until, until, false), 'seen');
  });

  it('a nonce of another time is seen only where it must be unique over all times', () => {
    const memory = new ReplayMemory();
    assert.equal(memory.once(digestOf('a'), NOW + 1_000, NOW, true), 'fresh');
    assert.equal(memory.once(digestOf('a'), NOW + 25_000, NOW, true), 'seen');
    assert.equal(memory.once(digestOf('a'), NOW + 25_000, NOW, false), 'fresh');
  });

  it('what is good no more is never fresh', () => {
    const memory = new ReplayMemory();
    assert.equal(memory.once(digestOf('a'), NOW - 1, NOW, false), 'seen');
    assert.equal(memory.once(digestOf('a'), Number.NaN, NOW, false), 'seen');
    assert.equal(memory.once(digestOf('a'), Number.POSITIVE_INFINITY, NOW, false), 'seen');
  });

  it('keys that differ in one bit anywhere are different, zeros among them', () => {
    const memory = new ReplayMemory();
    const keys = [new Uint8Array(16)];
    // The lowest bit of the last word is given up by the key of zeros.
    for (let bit = 0; bit < 128; bit++) {
      const key = new Uint8Array(16);
      key[bit >> 3] = 1 << (bit & 7);
      if (bit !== 96) keys.push(key);
    }
    for (const key of keys) assert.equal(memory.once(key, NOW + 1, NOW, false), 'fresh');
    for (const key of keys) assert.equal(memory.once(key, NOW + 1, NOW, false), 'seen');
    assert.equal(memory.size, 128);
  });
});

describe('memory is bounded', () => {
  it('a full one refuses, forgets nothing, and has room again when times are over', () => {
    const memory = new ReplayMemory({ maxNonces: 1_000 });
    const until = NOW + WINDOW_MS;
    for (const digest of digests(1_000)) assert.equal(memory.once(digest, until, NOW, false), 'fresh');
    assert.equal(memory.once(digestOf('more'), until, NOW, false), 'full');
    for (const digest of digests(1_000)) assert.equal(memory.once(digest, until, NOW, false), 'seen');
    const later = until + 10_000;
    assert.equal(memory.once(digestOf('more'), later + WINDOW_MS, later, false), 'fresh');
    assert.equal(memory.size, 1);
  });

  it('at two million where nobody says otherwise', () => {
    const memory = new ReplayMemory();
    const digest = Buffer.alloc(16);
    const next = (n: number) => {
      digest.writeUInt32LE(n);
      return memory.once(digest, NOW + WINDOW_MS, NOW, false);
    };
    for (let n = 0; n < 2_000_000; n++) if (next(n) !== 'fresh') assert.fail(`${n} was not remembered`);
    assert.deepEqual([memory.size, next(2_000_000)], [2_000_000, 'full']);
  });

  it('in bytes too: under steady load, and when times are chosen to open a bucket each', () => {
    const memory = new ReplayMemory({ maxNonces: 20_000 });
    let [now, most] = [NOW, 0];
    for (const digest of digests(200_000)) {
      assert.equal(memory.once(digest, now + WINDOW_MS, now, false), 'fresh');
      most = Math.max(most, memory.bytes / 16_000);
      now += 2.5;
    }
    assert.ok(memory.size <= 16_000 + 4_000, `${memory.size}`);
    assert.ok(most < 64, `${most} bytes each`);
    for (const [i, digest] of digests(5_000, 'spread').entries()) memory.once(digest, now + i * 10_000, now, false);
    assert.ok(memory.bytes < 20_000 * 64 + 1_024 * 1_024, `${memory.bytes}`);
    assert.equal(memory.once(digestOf('far'), now + 365 * 24 * HOUR_MS, now, false), 'full');
  });
});

describe('a clock that is set never makes it forget what may still be accepted', () => {
  it('forward by an hour and back', () => {
    const memory = new ReplayMemory();
    const until = NOW + WINDOW_MS;
    assert.equal(memory.once(digestOf('a'), until, NOW, false), 'fresh');
    assert.equal(memory.once(digestOf('b'), until + HOUR_MS, NOW + HOUR_MS, false), 'fresh');
    assert.equal(memory.size, 1);
    for (const across of [false, true]) assert.equal(memory.once(digestOf('a'), until, NOW + 1, across), 'forgotten');
    // New ones are refused until what was forgotten could not be accepted any more, and no longer.
    assert.equal(memory.once(digestOf('c'), until, NOW + 1, false), 'forgotten');
    assert.equal(memory.once(digestOf('c'), until + 10_000, NOW + 10_001, false), 'fresh');
  });

  it('back by an hour', () => {
    const memory = new ReplayMemory();
    const until = NOW + WINDOW_MS;
    assert.equal(memory.once(digestOf('a'), until, NOW, false), 'fresh');
    assert.equal(memory.once(digestOf('b'), until - HOUR_MS, NOW - HOUR_MS, false), 'fresh');
    assert.equal(memory.once(digestOf('a'), until, NOW - HOUR_MS, false), 'seen');
    assert.equal(memory.once(digestOf('b'), until - HOUR_MS, NOW - HOUR_MS, false), 'seen');
  });

  it('back by an hour, once something was forgotten: nothing is called seen that was not', () => {
    const memory = new ReplayMemory();
    const later = NOW + 2 * WINDOW_MS;
    assert.equal(memory.once(digestOf('a'), NOW + WINDOW_MS, NOW, false), 'fresh');
    assert.equal(memory.once(digestOf('b'), later + WINDOW_MS, later, false), 'fresh');
    assert.equal(memory.size, 1);
    const back = later - HOUR_MS;
    assert.equal(memory.once(digestOf('b'), later + WINDOW_MS, back, false), 'seen');
    for (const at of [back, back + HOUR_MS / 2, NOW]) {
      for (const across of [false, true]) {
        assert.equal(memory.once(digestOf(`c${at}`), at + WINDOW_MS, at, across), 'forgotten', `${at - back}`);
      }
    }
    assert.equal(memory.once(digestOf('c'), later + WINDOW_MS, later, true), 'fresh');
  });

  it('property: no digest is fresh twice for one time, nor, where it must be unique, while another runs', () => {
    const step = fc.record({
      who: fc.integer({ min: 0, max: 7 }),
      ahead: fc.integer({ min: 0, max: 40_000 }),
      again: fc.boolean(),
      across: fc.boolean(),
      move: fc.oneof(fc.integer({ min: 0, max: 15_000 }), fc.constantFrom(-HOUR_MS, HOUR_MS, -20_000)),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: 200 }), fc.integer({ min: 1, max: 30 }), (steps, max) => {
        const memory = new ReplayMemory({ maxNonces: max });
        const accepted = new Map<number, number[]>();
        let now = NOW;
        for (const { who, ahead, again, across, move } of steps) {
          const before = accepted.get(who) ?? [];
          const until = again && before.length > 0 ? (before[ahead % before.length] as number) : now + ahead;
          if (memory.once(digestOf(who), until, now, across) === 'fresh') {
            assert.ok(!before.includes(until), 'the same bytes twice');
            assert.ok(!across || !before.some((one) => one >= now), 'the same nonce twice');
            accepted.set(who, [...before, until]);
          }
          now += move;
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
