import { randomFillSync } from 'node:crypto';
import { ID_PREFIXES, type IdKind } from '@keyhold/protocol/id';
import { v7 } from 'uuid';

/** Randomness, injected so that simulations are repeatable. */
export interface Random {
  bytes(count: number): Uint8Array;
  /** `<prefix>_<UUIDv7>` */
  newId(kind: IdKind): string;
}

export const systemRandom: Random = {
  bytes: (count) => takeBytes(count),
  newId: (kind) => `${ID_PREFIXES[kind]}_${v7()}`,
};

/** Asking the system costs more than the bytes, so they are fetched by the page. */
const pool = Buffer.alloc(4096);
let taken = pool.length;

function takeBytes(count: number): Uint8Array {
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
