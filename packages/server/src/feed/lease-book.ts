import { MAX_STALE_MS } from '@keyhold/protocol/feed';
import type { Clock } from '../clock.ts';

/** A lease as the control plane grants it. */
export interface GrantedLease {
  readonly environment: string;
  readonly seconds: number;
  readonly afterLease: 'refuse' | 'serve';
}

/** What the control plane knows of one verifier process. */
export interface Holder {
  readonly verifier: string;
  /** Newest sequence that it has applied, as far as we know. */
  readonly acknowledged: number;
  /** Live connections; leases do not depend on them. */
  readonly connections: number;
  readonly fenced: boolean;
  readonly leases: ReadonlyMap<string, BookedLease>;
}

export interface BookedLease {
  /** On the control plane's own monotonic clock: from then on the verifier can't decide by it. */
  readonly endsAt: number;
  readonly afterLease: 'refuse' | 'serve';
}

/** Two clocks' rates differ by at most 1 % (DESIGN §5, "Assumed"). */
const RATE_TOLERANCE = 1.01;
const MARGIN_MS = 250;
/** A verifier that may serve stale is counted as unconfirmed until it has stopped, by the slowest of clocks. */
const STALE_MEMORY_MS = MAX_STALE_MS * RATE_TOLERANCE + MARGIN_MS;

interface MutableHolder extends Holder {
  acknowledged: number;
  connections: number;
  fenced: boolean;
  readonly leases: Map<string, BookedLease>;
  tokenId: string | null;
  /** Lease lengths that are stored, by environment. */
  readonly durable: Map<string, number>;
}

/**
 * Who may be deciding alone, and until when.
 * INVARIANT: `endsAt` is never before the verifier's own end: that one counts from before it asked, this one from
 * when the grant is sent, plus the tolerance. It only ever moves forward.
 */
export class LeaseBook {
  readonly #clock: Clock;
  readonly #holders = new Map<string, MutableHolder>();
  readonly #watchers = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  holders(): Iterable<Holder> {
    return this.#holders.values();
  }

  holder(verifier: string): Holder | undefined {
    return this.#holders.get(verifier);
  }

  /** Counts these leases as granted now: when they are sent, and after a start, when they are learned of. */
  granted(verifier: string, leases: readonly GrantedLease[]): void {
    const holder = this.#holder(verifier);
    const now = this.#clock.monotonic();
    for (const { environment, seconds, afterLease } of leases) {
      const endsAt = now + seconds * 1000 * RATE_TOLERANCE + MARGIN_MS;
      const booked = holder.leases.get(environment)?.endsAt ?? endsAt;
      holder.leases.set(environment, { endsAt: Math.max(endsAt, booked), afterLease });
    }
    this.#changed();
  }

  /** Notes that these leases' holder is durable. */
  stored(verifier: string, leases: readonly GrantedLease[]): void {
    const { durable } = this.#holder(verifier);
    for (const { environment, seconds } of leases) durable.set(environment, seconds);
  }

  isStored(verifier: string, environment: string, seconds: number): boolean {
    return this.#holders.get(verifier)?.durable.get(environment) === seconds;
  }

  /** The verifier has applied everything up to `sequence`. */
  acknowledged(verifier: string, sequence: number): void {
    const holder = this.#holder(verifier);
    if (sequence <= holder.acknowledged) return;
    holder.acknowledged = sequence;
    this.#changed();
  }

  /** The verifier has given up its leases by itself, and what is stored of them may go. */
  released(verifier: string): void {
    const holder = this.#holders.get(verifier);
    holder?.leases.clear();
    holder?.durable.clear();
    this.#changed();
  }

  /**
   * True when the verifier's id is this token's to use: of who came with it first. An id is no secret, and whoever
   * could speak for another's verifier could acknowledge and give up in its name.
   */
  claim(verifier: string, tokenId: string): boolean {
    const holder = this.#holder(verifier);
    holder.tokenId ??= tokenId;
    return holder.tokenId === tokenId;
  }

  connected(verifier: string): void {
    const holder = this.#holder(verifier);
    holder.connections++;
    holder.fenced = false;
  }

  disconnected(verifier: string): void {
    const holder = this.#holders.get(verifier);
    if (holder !== undefined) holder.connections--;
    this.#changed();
  }

  fenced(verifier: string): void {
    this.#holder(verifier).fenced = true;
  }

  /** Forgets verifiers that are gone and hold nothing; those that may serve stale are kept while they may. Returns their ids. */
  forgetGone(): string[] {
    const now = this.#clock.monotonic();
    const gone: string[] = [];
    for (const [verifier, { connections, leases }] of this.#holders) {
      const over = [...leases.values()].every(
        ({ endsAt, afterLease }) => endsAt + (afterLease === 'serve' ? STALE_MEMORY_MS : 0) <= now,
      );
      if (connections === 0 && over) gone.push(verifier);
    }
    for (const verifier of gone) this.#holders.delete(verifier);
    return gone;
  }

  /** Calls `watcher` after each change; the returned function ends that. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  #changed(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }

  #holder(verifier: string): MutableHolder {
    let holder = this.#holders.get(verifier);
    if (holder === undefined) {
      holder = {
        verifier,
        acknowledged: -1,
        connections: 0,
        fenced: false,
        leases: new Map(),
        tokenId: null,
        durable: new Map(),
      };
      this.#holders.set(verifier, holder);
    }
    return holder;
  }
}
