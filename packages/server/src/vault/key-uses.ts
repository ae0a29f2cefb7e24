import type { Scratch } from '../database/scratch.ts';
import { raiseUses, readUses } from './key-uses.store.ts';

/**
 * Counts how often each wrapping key has encrypted. With random 96-bit nonces a key must encrypt fewer than 2^32 times
 * (SP 800-38D §8.3). Uses are set aside in blocks, durable before the first use of a block, so a crash loses count
 * only upwards.
 */
const BLOCK = 256;

/** A key is replaced long before the bound. */
export const MAX_USES = 2 ** 28;

export class KeyUses {
  readonly #scratch: Scratch;
  readonly #counted = new Map<string, { used: number; setAside: number }>();
  readonly #pending = new Map<string, Promise<void>>();

  constructor(scratch: Scratch) {
    this.#scratch = scratch;
  }

  /** Counts one more use; the count includes it. */
  async take(keyId: string): Promise<number> {
    for (;;) {
      const counted = this.#counted.get(keyId);
      if (counted !== undefined && counted.used < counted.setAside) return ++counted.used;
      await this.#setAside(keyId);
    }
  }

  /** Many wait for one write. */
  #setAside(keyId: string): Promise<void> {
    const pending = this.#pending.get(keyId);
    if (pending !== undefined) return pending;
    const work = this.#scratch
      .write(async (tables) => {
        const used = this.#counted.get(keyId)?.setAside ?? (await readUses(tables, keyId));
        await raiseUses(tables, keyId, used + BLOCK);
        return used;
      })
      .then((used) => void this.#counted.set(keyId, { used, setAside: used + BLOCK }))
      .finally(() => this.#pending.delete(keyId));
    this.#pending.set(keyId, work);
    return work;
  }
}
