import type { Verdict } from '@keyhold/protocol/verdict';

/** What a client can do with a credential: both are taken away and given separately. */
export type Ability = 'prices:read' | 'orders:write';

/** What must be so now: after a giving returned it works, after a taking-away returned it doesn't. */
type Truth = 'alive' | 'dead' | 'deadUnlessStale' | 'unknown';

export interface Violation {
  readonly at: number;
  readonly what: string;
}

/** Knows what may be accepted, from nothing but what the operator was told. */
export class Oracle {
  readonly violations: Violation[] = [];
  /** Verifications of living keys outside faults, and how many of them were accepted. */
  expected = 0;
  accepted = 0;
  readonly #truths = new Map<string, Truth>();
  readonly #revivals = new Map<string, number>();

  set(secret: string, ability: Ability, truth: Truth): void {
    const name = `${secret} ${ability}`;
    const wasDead = this.#truths.get(name)?.startsWith('dead') === true;
    if (wasDead && !truth.startsWith('dead')) this.#revivals.set(name, this.revivals(secret, ability) + 1);
    this.#truths.set(name, truth);
  }

  /** How often it may have been given again after it was taken away. */
  revivals(secret: string, ability: Ability): number {
    return this.#revivals.get(`${secret} ${ability}`) ?? 0;
  }

  get(secret: string, ability: Ability): Truth {
    return this.#truths.get(`${secret} ${ability}`) ?? 'unknown';
  }

  /** Judges a verdict by what was known when its verification started. */
  judge(at: number, started: Truth, verdict: Verdict, context: string): void {
    if (!verdict.valid) return;
    if (started === 'dead') this.violations.push({ at, what: `accepted what was taken away: ${context}` });
    if (started === 'deadUnlessStale' && verdict.stale !== true) {
      this.violations.push({ at, what: `accepted, not marked stale, what was taken away: ${context}` });
    }
  }

  violated(at: number, what: string): void {
    this.violations.push({ at, what });
  }

  count(valid: boolean): void {
    this.expected++;
    if (valid) this.accepted++;
  }
}
