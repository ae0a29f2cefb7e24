import type { Clock } from '../clock.ts';

/** Something that should not be, and that an operator has to look at. */
export interface Alarm {
  readonly code: 'ROW_TAMPERED' | 'ENVELOPE_BROKEN' | 'DELIVERY_TAKEN_TWICE' | 'CHAIN_BROKEN' | 'VERIFIER_AHEAD';
  /** Id of what it is about. */
  readonly subject: string;
  readonly atMs: number;
  readonly detail: string;
}

const MAX_KEPT = 200;

/** Alarms raised since the start, newest last; the same one again is raised once. */
export class Alarms {
  readonly #clock: Clock;
  readonly #raised = new Map<string, Alarm>();
  readonly #notify: (alarm: Alarm) => void;

  constructor(clock: Clock, notify: (alarm: Alarm) => void) {
    this.#clock = clock;
    this.#notify = notify;
  }

  raise(code: Alarm['code'], subject: string, detail: string): void {
    const name = `${code} ${subject}`;
    if (this.#raised.has(name) || this.#raised.size >= MAX_KEPT) return;
    const alarm = { code, subject, atMs: this.#clock.wall(), detail };
    this.#raised.set(name, alarm);
    this.#notify(alarm);
  }

  list(): readonly Alarm[] {
    return [...this.#raised.values()];
  }
}
