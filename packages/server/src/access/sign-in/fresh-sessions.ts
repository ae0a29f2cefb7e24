import type { Clock } from '../../clock.ts';

const FRESH_MS = 5 * 60_000;
const MAX_KEPT = 10_000;

/** Sessions whose people have shown at a provider who they are, minutes ago. It outlives no start: they show it again. */
export class FreshSessions {
  readonly #clock: Clock;
  readonly #until = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  note(session: string): void {
    this.#until.set(session, this.#clock.monotonic() + FRESH_MS);
    if (this.#until.size > MAX_KEPT) this.#until.delete(this.#until.keys().next().value as string);
  }

  forget(session: string): void {
    this.#until.delete(session);
  }

  has(session: string): boolean {
    return this.#clock.monotonic() < (this.#until.get(session) ?? 0);
  }
}
