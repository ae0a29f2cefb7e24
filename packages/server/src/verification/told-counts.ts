import type { Clock } from '../clock.ts';

const QUIET_MS = 60_000;
/** Told apart; what further ones did is counted together. */
const MOST_NAMES = 100;
const OTHERS = 'others';

/** Counts by name for a log that nobody else may fill: told at once, and then once a minute with all that came since. */
export class ToldCounts {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #tell: (counts: Readonly<Record<string, number>>) => void;
  /** Since it was last told. */
  readonly #waiting = new Map<string, number>();
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Pick<Clock, 'monotonic'>, tell: (counts: Readonly<Record<string, number>>) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  add(name: string, count = 1): void {
    const kept = this.#waiting.has(name) || this.#waiting.size < MOST_NAMES ? name : OTHERS;
    this.#waiting.set(kept, (this.#waiting.get(kept) ?? 0) + count);
    const now = this.#clock.monotonic();
    if (now - this.#toldAt < QUIET_MS) return;
    this.#tell(Object.fromEntries(this.#waiting));
    this.#waiting.clear();
    this.#toldAt = now;
  }
}
