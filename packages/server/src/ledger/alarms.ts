import type { Clock } from '../clock.ts';
import type { Ledger } from './ledger.ts';

/** Something that should not be, and that an operator has to look at. */
export interface Alarm {
  readonly code:
    | 'ROW_TAMPERED'
    | 'ENVELOPE_BROKEN'
    | 'DELIVERY_TAKEN_TWICE'
    | 'CHAIN_BROKEN'
    | 'LOG_FORGED'
    | 'LOG_ROLLED_BACK'
    | 'WITNESS_REFUSES'
    | 'WITNESS_LIES'
    | 'VERIFIER_AHEAD'
    | 'EXPORT_LAGS'
    | 'REPLAY_NOT_EXACT'
    | 'HEAD_NOT_KEPT'
    | 'HEAD_NOT_REMEMBERED'
    | 'PASSKEY_COPIED'
    | 'BREAK_GLASS'
    | 'BREAK_GLASS_UNREVIEWED'
    | 'OFFBOARDING_UNFINISHED'
    | 'OWNER_RECOVERY'
    | 'OWNER_RECOVERED';
  /** Id of what it is about. */
  readonly subject: string;
  readonly atMs: number;
  readonly detail: string;
}

/** Of each code: a flood of one, which a stranger may be able to raise, hides none of the others. */
export const MAX_KEPT = 100;

/** Alarms raised since the start, newest last; the same one again is raised once while it is kept. */
export class Alarms {
  readonly #clock: Clock;
  readonly #raised = new Map<string, Alarm>();
  readonly #notify: (alarm: Alarm) => void;
  #ledger: Ledger | null = null;

  constructor(clock: Clock, notify: (alarm: Alarm) => void) {
    this.#clock = clock;
    this.#notify = notify;
  }

  raise(code: Alarm['code'], subject: string, detail: string): void {
    const name = `${code} ${subject}`;
    if (this.#raised.has(name)) return;
    const alike = [...this.#raised].filter(([, alarm]) => alarm.code === code);
    if (alike.length >= MAX_KEPT) this.#raised.delete((alike[0] as (typeof alike)[0])[0]);
    const alarm = { code, subject, atMs: this.#clock.wall(), detail };
    this.#raised.set(name, alarm);
    this.#notify(alarm);
    this.#enter(alarm);
  }

  /** What it was about is over; the next time it is raised anew. Its entry stays. */
  settle(code: Alarm['code'], subject: string): void {
    this.#raised.delete(`${code} ${subject}`);
  }

  /** From now on each is an entry too, also those raised before. */
  enterInto(ledger: Ledger): void {
    this.#ledger = ledger;
    for (const alarm of this.list()) this.#enter(alarm);
  }

  /** Not waited for: what raised it goes on, and where nothing can be entered the log has it. */
  #enter({ code, subject }: Alarm): void {
    const draft = { actor: 'system', action: 'alarm.raised', subject, code: code.toLowerCase().replaceAll('_', '-') };
    void this.#ledger?.record({ ...draft, evenWithoutChange: true }, async () => null).catch(() => {});
  }

  list(): readonly Alarm[] {
    return [...this.#raised.values()];
  }
}
