import type { OnceNonce, RisingNonce, SharedLimit, SharedQuota, TakeRequest } from '../shared-store.ts';
import { RedisStore, type RedisStoreOptions } from '../redis-store.ts';

/** What tests ask of a shared store: nothing, until a test says otherwise. */
export function takeRequest(changes: Partial<TakeRequest> = {}): TakeRequest {
  return { owner: 'cons_1', replay: null, factor: null, limits: [], quota: null, cost: 1, ...changes };
}

export function onceNonce(id: string, changes: Partial<OnceNonce> = {}): OnceNonce {
  const now = Date.now();
  return {
    kind: 'once',
    id,
    signedAt: now + 1_000,
    untilMs: now + 60_000,
    keptUntilMs: now + 60_000,
    aheadMs: 0,
    ...changes,
  };
}

/** Of a credential made before the store was there. */
export function risingNonce(value: bigint, changes: Partial<RisingNonce> = {}): RisingNonce {
  return { kind: 'rising', id: 'cred_1', value, aheadMs: 0, credentialCreatedAt: 0, ...changes };
}

export function sharedLimit(limit: number, windowMs: number, id = 'key_1/burst'): SharedLimit {
  return { id, limit, windowMs };
}

export function sharedQuota(limit: number, changes: Partial<SharedQuota> = {}): SharedQuota {
  const periodStart = Date.UTC(2026, 0, 1);
  return { id: 'key_1', periodStart, periodEnd: periodStart + 365 * 86_400_000, limit, floor: 0, ...changes };
}

/** A store whose changes can be waited for. */
export class WatchedStore extends RedisStore {
  readonly #watch: Watch;

  constructor(options: RedisStoreOptions) {
    const watch = new Watch();
    super({ ...options, events: watch });
    this.#watch = watch;
  }

  /** Every change since the start, in order. */
  get history(): readonly string[] {
    return this.#watch.history;
  }

  /** Resolves when it can be asked. */
  async untilReady(): Promise<this> {
    while (!this.ready) await this.#watch.change();
    return this;
  }

  /** Resolves when it can't be asked. */
  async untilUnavailable(): Promise<string> {
    while (this.ready) await this.#watch.change();
    return this.unavailable ?? '';
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

class Watch {
  readonly history: string[] = [];
  #waiting: (() => void)[] = [];

  ready(): void {
    this.#note('ready');
  }

  unavailable(reason: string): void {
    this.#note(reason);
  }

  change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #note(what: string): void {
    this.history.push(what);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
