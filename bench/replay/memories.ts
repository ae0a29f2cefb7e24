// What remembers nonces, under a load that is as steady as it can be: as many come as go, and so many are live.
import { randomBytes } from 'node:crypto';
import { ReplayMemory } from '../../packages/verifier/src/replay-memory.ts';
import { sized } from '../measure/alternate.ts';

export const LIVE = sized(1_000_000, 50_000);
const WINDOW_MS = 60_000;
/** Time between two nonces. */
const STEP_MS = WINDOW_MS / LIVE;

/** One that is asked and answers whether the nonce is fresh. */
export interface Memory {
  once(digest: Uint8Array, untilMs: number, nowMs: number): boolean;
  readonly size: number;
}

export function ownMemory(): Memory {
  const memory = new ReplayMemory();
  return {
    once: (digest, untilMs, nowMs) => memory.once(digest, untilMs, nowMs, false) === 'fresh',
    get size() {
      return memory.size;
    },
  };
}

/**
 * The yardstick: what one would write first. What is over is deleted in the order in which it came, by one iterator that
 * is kept: a new one each time would walk over what was deleted before.
 */
export function bareMap(): Memory {
  const seen = new Map<string, number>();
  const inOrder = seen.entries();
  let [oldest = '', oldestUntilMs = Number.POSITIVE_INFINITY]: [string?, number?] = [];
  const next = () => {
    [oldest, oldestUntilMs] = inOrder.next().value ?? ['', Number.POSITIVE_INFINITY];
  };
  return {
    once: (digest, untilMs, nowMs) => {
      while (oldestUntilMs < nowMs) {
        seen.delete(oldest);
        next();
      }
      const key = (digest as Buffer).toString('latin1', 0, 16);
      if (seen.has(key)) return false;
      seen.set(key, untilMs);
      // An iterator that was at its end stays there, so it is asked for the first time when there is something.
      if (seen.size === 1) next();
      return true;
    },
    get size() {
      return seen.size;
    },
  };
}

/** A memory under its load; time is its own. */
export class Loaded {
  readonly memory: Memory;
  #nowMs = Date.UTC(2026, 0, 1);

  /** Filled, and full for a whole window more. */
  constructor(memory: Memory) {
    this.memory = memory;
    for (let done = 0; done < 2 * LIVE; done += 50_000) this.check(digests(50_000));
  }

  /** All of them fresh, and every eighth sent twice. Returns how many checks that were. */
  check(fresh: readonly Buffer[]): number {
    let checks = 0;
    for (const [i, digest] of fresh.entries()) {
      this.#nowMs += STEP_MS;
      const untilMs = this.#nowMs + WINDOW_MS;
      if (!this.memory.once(digest, untilMs, this.#nowMs)) throw new Error('a fresh nonce was taken for seen');
      checks++;
      if (i % 8 !== 0) continue;
      if (this.memory.once(digest, untilMs, this.#nowMs)) throw new Error('a nonce was fresh twice');
      checks++;
    }
    return checks;
  }
}

export function digests(count: number): Buffer[] {
  const bytes = randomBytes(count * 16);
  return Array.from({ length: count }, (_, i) => bytes.subarray(i * 16, i * 16 + 16));
}
