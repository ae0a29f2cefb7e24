/**
 * What several verifiers remember together: nonces, limits and quotas. One call a verification, all or nothing: a
 * request that is refused leaves everything as it was, its nonce too.
 */
export interface SharedStore {
  /** Never rejects: what can't be asked is `UNAVAILABLE`. */
  take(request: TakeRequest): Promise<Taken>;
  /** True when it can be asked. */
  readonly ready: boolean;
  /** Why it can't be asked, or null; fit for a log, without a secret. */
  readonly unavailable: string | null;
  /** What an operator should mend though it works; empty where all is well. */
  readonly warnings: readonly string[];
  /** Gives up; whoever waits is answered `UNAVAILABLE`. */
  close(): void;
}

/** Ids are unique in the installation. */
export interface TakeRequest {
  /**
   * Whose nonces, limits and quotas these are: they lie in one place of a divided store. Keys of one consumer share the
   * consumer's limits, so it is the consumer's id.
   */
  readonly owner: string;
  readonly replay: OnceNonce | RisingNonce | null;
  /** The code of a second factor: it counts once too. */
  readonly factor: OnceNonce | null;
  readonly limits: readonly SharedLimit[];
  readonly quota: SharedQuota | null;
  /** Units taken from every limit and the quota; a whole number, 0 or more. */
  readonly cost: number;
}

/** Good once, within its time. */
export interface OnceNonce {
  readonly kind: 'once';
  /** The credential, and the nonce or the digest of what was signed. */
  readonly id: string;
  /** Epoch milliseconds, by the signer's clock. */
  readonly signedAt: number;
  /** Last moment at which it is good, epoch milliseconds; the store's clock has the last word on that. */
  readonly untilMs: number;
  /** Until when it is remembered, at least as long: what could be good for longer by other settings. */
  readonly keptUntilMs: number;
  /** How far ahead of the store a signer's clock may be and still be accepted, milliseconds. */
  readonly aheadMs: number;
}

/** Good where it is above every other of the credential. */
export interface RisingNonce {
  readonly kind: 'rising';
  /** The credential. */
  readonly id: string;
  /** Unsigned, at most 64 bits. */
  readonly value: bigint;
  /** How far ahead of the store a signer's clock may be, milliseconds: nonces are taken for times where memory fails. */
  readonly aheadMs: number;
  /** Epoch milliseconds; where it was made after the store began to remember, nothing can have been forgotten of it. */
  readonly credentialCreatedAt: number;
}

export interface SharedLimit {
  readonly id: string;
  readonly windowMs: number;
  /** Units a window, and at once. */
  readonly limit: number;
}

/** Counted by period: each period has a count of its own. */
export interface SharedQuota {
  readonly id: string;
  /** Epoch milliseconds. */
  readonly periodStart: number;
  readonly periodEnd: number;
  readonly limit: number;
  /** Units that are known to be used in this period, whatever the store remembers. */
  readonly floor: number;
}

export type Taken = Answered | Unavailable;

/** In the order in which they count, `VALID` aside. */
export const TAKEN_CODES = [
  'VALID',
  /** The second factor's code was used, or may have been before the store began to remember. */
  'FACTOR_SPENT',
  'REPLAYED',
  /** Its time is over, or it was signed before the store began to remember. */
  'TOO_OLD',
  /** A rising nonce of which nobody can say whether it was used: memory was lost, and it reads as no time since. */
  'UNKNOWN_NONCE',
  'RATE_LIMITED',
  'QUOTA_EXCEEDED',
] as const;

export interface Answered {
  readonly code: (typeof TAKEN_CODES)[number];
  /** In the order asked; empty where the nonce was refused. After taking, where it was taken. */
  readonly limits: readonly LimitState[];
  /** Null where none was asked for, and where the nonce was refused. */
  readonly quota: { readonly used: number } | null;
  /** Since when the store remembers, epoch milliseconds by its own clock. */
  readonly startedAt: number;
  /** When it decided, epoch milliseconds by its own clock. */
  readonly decidedAt: number;
}

export interface LimitState {
  /** Units that may be used at once. */
  readonly remaining: number;
  /** Milliseconds until everything may be used again. */
  readonly resetMs: number;
  /** Milliseconds that this refused request should wait; 0 where this limit would have let it pass. */
  readonly retryAfterMs: number;
}

export interface Unavailable {
  readonly code: 'UNAVAILABLE';
  readonly reason: string;
}

export function unavailable(reason: string): Unavailable {
  return { code: 'UNAVAILABLE', reason };
}
