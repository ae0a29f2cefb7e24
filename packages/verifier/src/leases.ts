import { type LeaseGrant, MAX_STALE_MS } from '@keyhold/protocol/feed';
import type { Clock } from './clock.ts';

/** Until when a verifier may decide alone, by both of its clocks: whichever ends first ends the lease. */
interface Lease {
  readonly monotonicEnd: number;
  readonly wallEnd: number;
}

interface PendingGrant {
  readonly sequence: number;
  readonly environment: string;
  readonly lease: Lease;
}

interface Asked {
  readonly monotonic: number;
  readonly wall: number;
}

/** Requests that may be under way at once; an answer to an older one is of no more use. */
const MAX_ASKED = 16;

/**
 * A verifier's leases, one an environment.
 * INVARIANT: a lease begins when it was asked for, not when the answer came, so it ends here before it ends in the
 * control plane's book, however long the answer travelled. It counts once the head it names is applied.
 */
export class Leases {
  readonly #clock: Clock;
  readonly #asked = new Map<number, Asked>();
  readonly #held = new Map<string, Lease>();
  #pending: PendingGrant[] = [];
  #request = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Notes the time and numbers the request that is about to be sent. */
  ask(): number {
    const request = ++this.#request;
    this.#asked.set(request, { monotonic: this.#clock.monotonic(), wall: this.#clock.wall() });
    this.#asked.delete(request - MAX_ASKED);
    return request;
  }

  /** Takes a grant; unknown and repeated answers change nothing. */
  granted(request: number, sequence: number, leases: readonly LeaseGrant[], applied: number): void {
    const asked = this.#asked.get(request);
    if (asked === undefined) return;
    for (const { environment, seconds } of leases) {
      this.#pending.push({ sequence, environment, lease: leaseFrom(asked, seconds) });
    }
    this.applied(applied);
  }

  /** The replica stands at `sequence` now: grants up to there count. */
  applied(sequence: number): void {
    if (this.#pending.length === 0) return;
    const waiting: PendingGrant[] = [];
    for (const grant of this.#pending) {
      if (grant.sequence > sequence) waiting.push(grant);
      else this.#extend(grant.environment, grant.lease);
    }
    this.#pending = waiting;
  }

  #extend(environment: string, lease: Lease): void {
    const held = this.#held.get(environment);
    if (held === undefined || held.monotonicEnd < lease.monotonicEnd) this.#held.set(environment, lease);
  }

  /** True while this verifier may decide alone for the environment. Pass the clocks of this very step. */
  covers(environment: string, monotonic: number, wall: number): boolean {
    const lease = this.#held.get(environment);
    return lease !== undefined && monotonic < lease.monotonicEnd && wall < lease.wallEnd;
  }

  /**
   * True while it may serve on after a lease that it held, by the clocks of this very step. INVARIANT: without a lease
   * there is nothing that the control plane could count it as unconfirmed by, and after that time it no longer does.
   */
  servesStale(environment: string, monotonic: number, wall: number): boolean {
    const lease = this.#held.get(environment);
    return lease !== undefined && monotonic < lease.monotonicEnd + MAX_STALE_MS && wall < lease.wallEnd + MAX_STALE_MS;
  }

  /** True when a lease was held here for the environment, be it over by now. */
  has(environment: string): boolean {
    return this.#held.has(environment);
  }

  /** Gives up everything, at once. */
  drop(): void {
    this.#held.clear();
    this.#asked.clear();
    this.#pending = [];
  }
}

function leaseFrom(asked: Asked, seconds: number): Lease {
  return { monotonicEnd: asked.monotonic + seconds * 1000, wallEnd: asked.wall + seconds * 1000 };
}
