import { ERRORS, type ErrorCode } from '@keyhold/protocol/errors';
import type { Clock } from '../clock.ts';
import type { TokenRow } from '../database/schema.ts';
import { CountedEntries } from '../ledger/counted-entries.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Random } from '../random.ts';
import type { Principal } from './principal.ts';
import { workloadOf } from './token-names.ts';

/** How often one caller was refused one operation with one code, since the last entry. */
interface Denied {
  readonly actor: string;
  readonly operation: string;
  readonly code: string;
  count: number;
  readonly rules: Set<string>;
  readonly addresses: Set<string>;
}

interface Window {
  readonly since: string;
  readonly until: string;
}

/** Of one caller, apart from each other; what exceeds it is counted as `other`, what exceeds the next as a number alone. */
const MAX_OF_ONE = 50;
const MAX_KEPT = 2_000;
const MAX_NAMED = 10;
/** Tokens that are over, so that they crowd out nobody's denials. */
const MAX_OVER = 100;
const OTHER = 'other';

/**
 * What callers that we know were refused, entered each minute by caller, operation and code: who tries doors shows in
 * the log like who goes through them. Counted, since nobody may fill the log with what he may not do.
 */
export class DenialLog {
  readonly #entries: CountedEntries;
  readonly #clock: Clock;
  #waiting = new Map<string, Denied>();
  #ofOne = new Map<string, number>();
  #over = new Set<string>();
  #uncounted = 0;
  #sinceMs: number;
  #flushing: Promise<unknown> = Promise.resolve();

  constructor(ledger: Pick<Ledger, 'record'>, clock: Clock, random: Random) {
    this.#entries = new CountedEntries(() => ledger, random);
    this.#clock = clock;
    this.#sinceMs = clock.wall();
  }

  /** @param operation id of what was asked for */
  note({ id, judge }: Pick<Principal, 'id' | 'judge'>, operation: string, code: ErrorCode, address: string): void {
    const last = judge.decisions.at(-1);
    // What a caller may not see is answered as if it were not there; what is not there is no denial.
    const isHidden = ERRORS[code].status === 404 && last?.decision.allowed === false && last.isThere !== false;
    if (code !== 'FORBIDDEN' && !isHidden) return;
    const denied = this.#count(id, operation, code, address);
    if (denied === null || last?.decision.allowed !== false) return;
    if (denied.rules.size < MAX_NAMED) denied.rules.add(last.decision.rule);
  }

  /**
   * A token that was taken away, or whose time is over, in somebody's hand: a leaver's say, or a thief's. Of the many that
   * a workload was given it is the workload; who has more than so many of them is counted among strangers alone.
   */
  noteOver(token: TokenRow, address: string): void {
    const actor = workloadOf(token) ?? token.id;
    if (!this.#over.has(actor) && this.#over.size >= MAX_OVER) return;
    this.#over.add(actor);
    this.#count(actor, 'authenticate', token.state === 'active' ? 'EXPIRED' : 'REVOKED', address);
  }

  /** What was counted so, or null where there is no more room. */
  #count(actor: string, operation: string, code: string, address: string): Denied | null {
    const denied = this.#of(actor, operation, code);
    if (denied === null) {
      this.#uncounted++;
      return null;
    }
    denied.count++;
    if (denied.addresses.size < MAX_NAMED) denied.addresses.add(address);
    return denied;
  }

  #of(actor: string, operation: string, code: string): Denied | null {
    const name = `${actor} ${operation} ${code}`;
    const known = this.#waiting.get(name);
    if (known !== undefined) return known;
    const own = this.#ofOne.get(actor) ?? 0;
    if (own >= MAX_OF_ONE && operation !== OTHER) return this.#of(actor, OTHER, code);
    if (this.#waiting.size >= MAX_KEPT) return null;
    const denied = { actor, operation, code, count: 0, rules: new Set<string>(), addresses: new Set<string>() };
    this.#ofOne.set(actor, own + 1);
    this.#waiting.set(name, denied);
    return denied;
  }

  /**
   * Enters what was counted since the last time, one run after another; what can't be entered now is the next time.
   * @returns whether all of it is entered
   */
  flush(): Promise<boolean> {
    const flushing = this.#flushing.catch(() => {}).then(() => this.#flush());
    this.#flushing = flushing;
    return flushing;
  }

  async #flush(): Promise<boolean> {
    if (!(await this.#entries.settle())) return false;
    const [waiting, uncounted] = [this.#waiting, this.#uncounted];
    if (waiting.size === 0 && uncounted === 0) return true;
    const [since, untilMs] = [new Date(this.#sinceMs).toISOString(), this.#clock.wall()];
    const window = { since, until: new Date(untilMs).toISOString() };
    [this.#waiting, this.#ofOne, this.#over, this.#uncounted] = [new Map(), new Map(), new Set(), 0];
    const told = await Promise.all([
      this.#enterUncounted(uncounted, window),
      ...[...waiting.values()].map((denied) => this.#enter(denied, window)),
    ]);
    // What was not entered was counted since then.
    const isTold = told.every((one) => one);
    if (isTold) this.#sinceMs = untilMs;
    return isTold && this.#entries.isSettled;
  }

  /** Whether it is entered, or will be; else it is kept. */
  async #enter(denied: Denied, window: Window): Promise<boolean> {
    const { actor, operation, code, count, rules, addresses } = denied;
    const side = { ...window, count, rules: [...rules], addresses: [...addresses] };
    // Its code is the outcome, as everywhere. Where the subject is the actor it is of before: its code is the operation.
    const draft = { actor, action: 'access.denied', subject: operation, code, about: actor, side };
    const isTold = await this.#entries.enter(draft);
    if (!isTold) this.#putBack(denied);
    return isTold;
  }

  /** Nobody's in particular: it is said of the whole. */
  async #enterUncounted(count: number, window: Window): Promise<boolean> {
    if (count === 0) return true;
    const draft = { actor: 'system', action: 'access.uncounted', subject: 'system', about: 'system' };
    const isTold = await this.#entries.enter({ ...draft, side: { ...window, count } });
    if (!isTold) this.#uncounted += count;
    return isTold;
  }

  #putBack({ actor, operation, code, count, rules, addresses }: Denied): void {
    const denied = this.#of(actor, operation, code);
    if (denied === null) {
      this.#uncounted += count;
      return;
    }
    denied.count += count;
    for (const rule of rules) denied.rules.add(rule);
    for (const address of addresses) denied.addresses.add(address);
  }
}
