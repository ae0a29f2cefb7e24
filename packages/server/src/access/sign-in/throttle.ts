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

interface Failures {
  readonly count: number;
  /** Monotonic milliseconds. */
  readonly until: number;
  /** How often he was locked out since he last succeeded. */
  readonly locks: number;
}

const DAY_MS = 24 * 3_600_000;

/** Stops whoever fails too often: ten times in a quarter of an hour, then not before that is over. */
export class Throttle {
  readonly #clock: Clock;
  readonly #isGrowing: boolean;
  readonly #failures = new Map<string, Failures>();

  /** @param isGrowing each time somebody is locked out without having succeeded it is for twice as long, up to a day */
  constructor(clock: Clock, isGrowing = false) {
    this.#clock = clock;
    this.#isGrowing = isGrowing;
  }

  /** Seconds until he may try again; null: now. */
  waitSeconds(who: string): number | null {
    const found = this.#failures.get(who);
    const left = (found?.until ?? 0) - this.#clock.monotonic();
    return found !== undefined && found.count >= MAX_FAILURES && left > 0 ? Math.ceil(left / 1000) : null;
  }

  /**
   * Counts a failure. True for the one that locks him out. Whoever lets somebody try counts first, in the step in which he
   * asked whether he may, and takes it back where it was none: else any number could try at once.
   */
  failed(who: string): boolean {
    const now = this.#clock.monotonic();
    const found = this.#failures.get(who);
    const locks = this.#isGrowing ? (found?.locks ?? 0) : 0;
    // Where guesses are counted until one is right, nine in each window are no way past it.
    const before = this.#isGrowing && found !== undefined && found.count < MAX_FAILURES ? found.count : 0;
    const going = found !== undefined && found.until > now ? found : { count: before, until: now + WINDOW_MS };
    const isLocking = going.count + 1 === MAX_FAILURES;
    const until = isLocking
      ? Math.max(going.until, now + Math.min(DAY_MS, locks === 0 ? 0 : WINDOW_MS * 2 ** locks))
      : going.until;
    this.#failures.delete(who);
    this.#failures.set(who, { count: going.count + 1, until, locks: isLocking ? locks + 1 : locks });
    if (this.#failures.size > MAX_KEPT) this.#drop(who, now);
    return isLocking;
  }

  /** It was no failure: nothing was tried. */
  takeBack(who: string): void {
    const found = this.#failures.get(who);
    if (found === undefined) return;
    const { count, until, locks } = found;
    // Nor did it lock anybody out.
    const wasLocking = count === MAX_FAILURES;
    this.#failures.set(who, {
      count: Math.max(0, count - 1),
      until: wasLocking ? Math.min(until, this.#clock.monotonic() + WINDOW_MS) : until,
      locks: wasLocking ? locks - 1 : locks,
    });
  }

  /** Who succeeds has not been guessing. */
  succeeded(who: string): void {
    this.#failures.delete(who);
  }

  /** Whoever is locked out is not forgotten for those who are not, as far as there are any; nor the one that just failed. */
  #drop(newest: string, now: number): void {
    let oldest: string | undefined;
    for (const [who, { count, until }] of this.#failures) {
      if (who === newest) continue;
      oldest ??= who;
      if (count >= MAX_FAILURES && until > now) continue;
      oldest = who;
      break;
    }
    if (oldest !== undefined) this.#failures.delete(oldest);
  }
}
