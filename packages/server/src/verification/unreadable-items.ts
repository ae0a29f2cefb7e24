import type { Clock } from '../clock.ts';
import type { Log } from '../http/log.ts';
import { ToldCounts } from './told-counts.ts';

const NOBODY = 'unknown';

/** Items of reports that could not be read, so that whoever sends them is found. */
export class UnreadableItems {
  readonly #told: ToldCounts;
  #count = 0;

  constructor(clock: Pick<Clock, 'after'>, log: Pick<Log, 'warn'>) {
    this.#told = new ToldCounts(clock, (verifiers) =>
      log.warn({ verifiers }, 'what verifiers reported can not be read, in part'),
    );
  }

  /** Since the start. */
  get count(): number {
    return this.#count;
  }

  /** @param verifier its id, never what it sent: that may hold anything */
  note(verifier: string | null, items: number): void {
    if (items === 0) return;
    this.#count += items;
    this.#told.add(verifier ?? NOBODY, items);
  }
}
