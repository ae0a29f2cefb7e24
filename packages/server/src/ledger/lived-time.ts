import type { Clock } from '../clock.ts';
import { Scratch } from '../database/scratch.ts';
import type { Store } from '../database/store.ts';
import { newestEntryAt } from './entries.store.ts';
import { keepLivedTime, readLivedTime } from './lived-time.store.ts';

/**
 * Time as the processes of this installation have lived it: it goes on by the monotonic clock alone, from where the one
 * before kept it, so that a clock that is ahead makes nothing old, however often it starts. Time that nothing ran for is
 * not in it.
 */
export class LivedTime {
  readonly #scratch: Scratch;
  readonly #clock: Clock;
  readonly #startMs: number;
  readonly #startedAt: number;

  private constructor(scratch: Scratch, clock: Clock, startMs: number) {
    this.#scratch = scratch;
    this.#clock = clock;
    this.#startMs = startMs;
    this.#startedAt = clock.monotonic();
  }

  /** To be taken before a start enters anything. */
  static async take(store: Store, clock: Clock): Promise<LivedTime> {
    const { reader } = store;
    const newestMs = (await newestEntryAt(reader)) ?? clock.wall();
    const startMs = Math.min((await readLivedTime(reader)) ?? newestMs, newestMs);
    const lived = new LivedTime(new Scratch(store), clock, startMs);
    // INVARIANT: kept before this start enters anything: what it enters by a wrong clock says nothing to the next one.
    await lived.keep();
    return lived;
  }

  /** Epoch milliseconds, never ahead of the wall clock. */
  now(): number {
    return Math.min(this.#clock.wall(), this.#livedMs());
  }

  /** Never behind the wall clock nor behind what was lived: what says that it happens later was entered by a wrong clock. */
  latest(): number {
    return Math.max(this.#clock.wall(), this.#livedMs());
  }

  /** So that the next start goes on from here. */
  async keep(): Promise<void> {
    const at = Math.floor(this.#livedMs());
    await this.#scratch.write((tables) => keepLivedTime(tables, at));
  }

  #livedMs(): number {
    return this.#startMs + this.#clock.monotonic() - this.#startedAt;
  }
}
