import { isIPv6 } from 'node:net';
import type { Clock } from '../../clock.ts';

const WINDOW_MS = 15 * 60_000;
const MAX_FAILURES = 10;
/** So many are remembered; the one that failed longest ago goes first. */
const MAX_KEPT = 10_000;

/** What failures are counted for: an address, or whoever has a whole IPv6 network (RFC 6177). */
export function networkOf(ip: string): string {
  if (!isIPv6(ip) || ip.startsWith('::ffff:')) return ip;
  const [head = '', tail] = ip.split('::');
  const parts = head.split(':').filter(Boolean);
  const missing = tail === undefined ? 0 : 8 - parts.length - tail.split(':').filter(Boolean).length;
  return [...parts, ...Array(missing).fill('0'), ...(tail ?? '').split(':')].slice(0, 4).join(':');
}

/** Stops whoever fails too often: ten times in a quarter of an hour, then not before that is over. */
export class Throttle {
  readonly #clock: Clock;
  readonly #failures = new Map<string, { count: number; until: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Seconds until he may try again; null: now. */
  waitSeconds(who: string): number | null {
    const found = this.#failures.get(who);
    const left = (found?.until ?? 0) - this.#clock.monotonic();
    return found !== undefined && found.count >= MAX_FAILURES && left > 0 ? Math.ceil(left / 1000) : null;
  }

  /** Counts a failure. True for the one that locks him out. */
  failed(who: string): boolean {
    const now = this.#clock.monotonic();
    const found = this.#failures.get(who);
    const going = found !== undefined && found.until > now ? found : { count: 0, until: now + WINDOW_MS };
    this.#failures.delete(who);
    this.#failures.set(who, { count: going.count + 1, until: going.until });
    const [oldest] = this.#failures.keys();
    if (this.#failures.size > MAX_KEPT && oldest !== undefined) this.#failures.delete(oldest);
    return going.count + 1 === MAX_FAILURES;
  }

  /** Who succeeds has not been guessing. */
  succeeded(who: string): void {
    this.#failures.delete(who);
  }
}
