import { ID_PREFIXES, type IdKind } from '@keyhold/protocol/id';
import type { Random } from '../../random.ts';

/** Repeatable randomness: mulberry32, a 32-bit generator that is good enough to choose faults by. */
export class Dice {
  #state: number;
  #ids = 0;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Uniform in [0, 1). */
  readonly next = (): number => {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  between(low: number, high: number): number {
    return low + this.next() * (high - low);
  }

  /** A whole number from `low` up to and with `high`. */
  whole(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  pick<T>(items: readonly T[]): T {
    return items[this.whole(0, items.length - 1)] as T;
  }

  newId(kind: IdKind): string {
    return `${ID_PREFIXES[kind]}_${String(++this.#ids).padStart(12, '0')}`;
  }

  /** As the shipped code takes it. */
  asRandom(): Random {
    return {
      bytes: (count) => Uint8Array.from({ length: count }, () => this.whole(0, 255)),
      newId: (kind) => this.newId(kind),
    };
  }
}
