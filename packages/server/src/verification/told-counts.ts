import type { Clock } from '../clock.ts';

const QUIET_MS = 60_000;
/** Told apart; what further ones did is counted together. */
const MOST_NAMES = 100;
const OTHERS = 'others';

/** Counts by name for a log that nobody else may fill: told at once, and what comes after it together a minute later. */
export class ToldCounts {
  readonly #clock: Pick<Clock, 'after'>;
  readonly #tell: (counts: Readonly<Record<string, number>>) => void;
  /** Since it was last told. */
  readonly #waiting = new Map<string, number>();
  #isQuiet = false;

  constructor(clock: Pick<Clock, 'after'>, tell: (counts: Readonly<Record<string, number>>) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  add(name: string, count = 1): void {
    const kept = this.#waiting.has(name) || this.#waiting.size < MOST_NAMES ? name : OTHERS;
    this.#waiting.set(kept, (this.#waiting.get(kept) ?? 0) + count);
    if (!this.#isQuiet) this.#tellAll();
  }

  #tellAll(): void {
    this.#tell(Object.fromEntries(this.#waiting));
    this.#waiting.clear();
    this.#isQuiet = true;
    this.#clock.after(QUIET_MS, () => {
      this.#isQuiet = false;
      if (this.#waiting.size > 0) this.#tellAll();
    });
  }
}
