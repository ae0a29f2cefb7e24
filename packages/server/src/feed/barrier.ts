import type { Barrier as BarrierReport } from '@keyhold/protocol/operations/shapes';
import type { Clock } from '../clock.ts';
import type { Holder, LeaseBook } from './lease-book.ts';

/** Environments that a taking-away concerns; null: all of them. */
export type Concerned = ReadonlySet<string> | null;

interface Waiting {
  readonly verifier: string;
  /** Latest moment until which this verifier can decide without the change. */
  readonly until: number;
  /** It may go on serving after its lease. */
  readonly mayServeStale: boolean;
}

/** A connected verifier with a lease just over is about to renew it; it is given this long to acknowledge. */
const RENEWAL_GRACE_MS = 1_000;

/**
 * What a taking-away waits for before it returns (DESIGN §5). INVARIANT: it closes only when each verifier that may
 * hold a lease granted before `sequence` has acknowledged it or its lease is over.
 */
export class Barrier {
  readonly #clock: Clock;
  readonly #book: LeaseBook;

  constructor(clock: Clock, book: LeaseBook) {
    this.#clock = clock;
    this.#book = book;
  }

  /** Call after the entry at `sequence` is committed: grants made since then name a head at or after it. */
  async close(sequence: number, concerned: Concerned): Promise<BarrierReport> {
    const startedAt = this.#clock.monotonic();
    const report = { acknowledged: 0, waitedOut: 0, unconfirmed: 0 };
    const waits = [...this.#book.holders()].flatMap((holder) => this.#mayDecide(holder, concerned));
    const outcomes = await Promise.all(waits.map((waiting) => this.#wait(waiting, sequence)));
    for (const outcome of outcomes) report[outcome]++;
    const elapsedMs = Math.round((this.#clock.monotonic() - startedAt) * 1000) / 1000;
    return { sequence, ...report, elapsedMs };
  }

  #mayDecide(holder: Holder, concerned: Concerned): Waiting[] {
    const now = this.#clock.monotonic();
    let until = Number.NEGATIVE_INFINITY;
    let mayServeStale = false;
    for (const [environment, { endsAt, afterLease }] of holder.leases) {
      if (concerned !== null && !concerned.has(environment)) continue;
      if (afterLease === 'serve') mayServeStale = true;
      until = Math.max(until, endsAt);
    }
    if (until <= now && !mayServeStale) return [];
    const grace = holder.connections > 0 ? RENEWAL_GRACE_MS : 0;
    return [{ verifier: holder.verifier, until: Math.max(until, now + grace), mayServeStale }];
  }

  #wait(waiting: Waiting, sequence: number): Promise<'acknowledged' | 'waitedOut' | 'unconfirmed'> {
    const { verifier, until, mayServeStale } = waiting;
    const timedOut = mayServeStale ? 'unconfirmed' : 'waitedOut';
    return new Promise((resolve) => {
      const done = (outcome: 'acknowledged' | 'waitedOut' | 'unconfirmed') => {
        stop();
        cancel();
        resolve(outcome);
      };
      const look = () => {
        const holder = this.#book.holder(verifier);
        // A verifier that gave its leases up can't decide any more.
        if (holder === undefined || holder.leases.size === 0) done('waitedOut');
        else if (holder.acknowledged >= sequence) done('acknowledged');
        else if (this.#clock.monotonic() >= until) done(timedOut);
      };
      const stop = this.#book.watch(look);
      const expire = () => {
        const left = until - this.#clock.monotonic();
        if (left <= 0) done(timedOut);
        else cancel = this.#clock.after(left, expire);
      };
      let cancel = this.#clock.after(until - this.#clock.monotonic(), expire);
      look();
    });
  }

  /**
   * Waits until every connected verifier has applied `sequence` and `also` holds for it, `patienceMs` at most, and
   * never fails: who is given something should be able to use it at once.
   */
  async settle(sequence: number, patienceMs: number, also: (holder: Holder) => boolean): Promise<void> {
    const settled = () =>
      [...this.#book.holders()].every(
        (holder) => holder.connections <= 0 || holder.fenced || (holder.acknowledged >= sequence && also(holder)),
      );
    if (settled()) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        stop();
        cancel();
        resolve();
      };
      const stop = this.#book.watch(() => {
        if (settled()) done();
      });
      const cancel = this.#clock.after(patienceMs, done);
    });
  }
}
