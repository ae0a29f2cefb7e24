import { randomBytes } from 'node:crypto';
import { ID_PREFIXES, type IdKind } from '@keyhold/protocol/id';
import { v7 } from 'uuid';

/** Randomness, injected so that simulations are repeatable. */
export interface Random {
  bytes(count: number): Uint8Array;
  /** `<prefix>_<UUIDv7>` */
  newId(kind: IdKind): string;
}

export const systemRandom: Random = {
  bytes: (count) => randomBytes(count),
  newId: (kind) => `${ID_PREFIXES[kind]}_${v7()}`,
};
