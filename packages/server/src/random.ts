import { randomFillSync } from 'node:crypto';
import { ID_PREFIXES, type IdKind } from '@keyhold/protocol/id';
import { v7 } from 'uuid';
import { systemClock } from './clock.ts';

/** Randomness, injected so that simulations are repeatable. */
export interface Random {
  bytes(count: number): Uint8Array;
  /** `<prefix>_<UUIDv7>` */
  newId(kind: IdKind): string;
}

export const systemRandom: Random = {
  bytes: (count) => takeBytes(count),
  newId: (kind) => `${ID_PREFIXES[kind]}_${nextUuid(systemClock.wall())}`,
};

let lastMs = 0;
let sequence = 0;

/**
 * UUIDv7 of which each is greater than the one before, also within a millisecond: then its sequence counts up from a
 * random start (RFC 9562 §6.2 method 1).
 */
function nextUuid(nowMs: number): string {
  const random = takeBytes(16);
  if (nowMs > lastMs) {
    lastMs = nowMs;
    // The highest bit is clear, so that there is room to count.
    sequence = random.readUInt32BE(6) >>> 1;
  } else {
    sequence++;
  }
  return v7({ random, msecs: lastMs, seq: sequence });
}

/** Asking the system costs more than the bytes, so they are fetched by the page. */
const pool = Buffer.alloc(4096);
let taken = pool.length;

function takeBytes(count: number): Buffer {
  if (count > pool.length) return randomFillSync(Buffer.alloc(count));
  if (taken + count > pool.length) {
    randomFillSync(pool);
    taken = 0;
  }
  const bytes = Buffer.from(pool.subarray(taken, taken + count));
  // What was handed out becomes a secret somewhere: no copy of it stays here.
  pool.fill(0, taken, taken + count);
  taken += count;
  return bytes;
}
