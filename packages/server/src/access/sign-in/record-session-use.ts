import type { Clock } from '../../clock.ts';
import type { Scratch } from '../../database/scratch.ts';
import { noteUse } from './sessions.store.ts';

const EVERY_MS = 60_000;
const MAX_KEPT = 10_000;

/** Notes that sessions are in use, each once a minute; nobody waits for it. */
export class SessionUses {
  readonly #scratch: Scratch;
  readonly #clock: Clock;
  /** When each was noted last, by the monotonic clock; oldest first. */
  readonly #noted = new Map<string, number>();

  constructor(scratch: Scratch, clock: Clock) {
    this.#scratch = scratch;
    this.#clock = clock;
  }

  note(session: string, from: string): void {
    const now = this.#clock.monotonic();
    if (Math.abs(now - (this.#noted.get(session) ?? Number.NEGATIVE_INFINITY)) < EVERY_MS) return;
    this.#noted.delete(session);
    this.#noted.set(session, now);
    const [oldest] = this.#noted.keys();
    if (this.#noted.size > MAX_KEPT && oldest !== undefined) this.#noted.delete(oldest);
    const use = { at: this.#clock.wall(), from };
    // What could not be noted makes a session end earlier, never later.
    void this.#scratch.write((tables) => noteUse(tables, session, use)).catch(() => {});
  }
}
