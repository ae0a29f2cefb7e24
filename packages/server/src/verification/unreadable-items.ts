import type { Clock } from '../clock.ts';
import type { Log } from '../http/log.ts';

const QUIET_MS = 60_000;

/** Items of reports that could not be read, so that whoever sends them is found: counted, and told once a minute. */
export class UnreadableItems {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #log: { warn(fields: object, text: string): void };
  #count = 0;
  #told = 0;
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Pick<Clock, 'monotonic'>, log: Pick<Log, 'warn'>) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Since the start. */
  get count(): number {
    return this.#count;
  }

  /** @param verifier its id, never what it sent: that may hold anything */
  note(verifier: string | null, items: number): void {
    this.#count += items;
    const now = this.#clock.monotonic();
    if (items === 0 || now - this.#toldAt < QUIET_MS) return;
    this.#log.warn({ verifier, items: this.#count - this.#told }, 'what a verifier reported can not be read, in part');
    this.#told = this.#count;
    this.#toldAt = now;
  }
}
