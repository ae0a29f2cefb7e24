import type { DialectName } from './dialects/settings.ts';
import type { ReceivedRequest } from './dialects/dialect.ts';

/** Codes of a verdict, in the order in which the rules are asked (DESIGN §6). The first that applies decides. */
export const VERDICT_CODES = [
  'VERIFIER_FENCED',
  'MALFORMED',
  'WRONG_ENVIRONMENT',
  'TIMESTAMP_OUT_OF_WINDOW',
  'NOT_FOUND',
  'SIGNATURE_INVALID',
  'REVOKED',
  'SUSPENDED',
  'NOT_YET_VALID',
  'EXPIRED',
  'NETWORK_NOT_ALLOWED',
  'INSUFFICIENT_PERMISSIONS',
  'DESTINATION_NOT_ALLOWED',
  'SECOND_FACTOR_REQUIRED',
  'REPLAYED',
  'STORE_UNAVAILABLE',
  'RATE_LIMITED',
  'QUOTA_EXCEEDED',
  'VALID',
] as const;

export type VerdictCode = (typeof VERDICT_CODES)[number];

/** One request to be decided. */
export interface VerificationRequest {
  /** The credential as the client sent it; or {@link request}, and only one of them. */
  readonly key?: string | undefined;
  /** The whole request, to be verified by its signature; a bearer credential in it counts as `key`. */
  readonly request?: ReceivedRequest | undefined;
  /** `project/environment`. */
  readonly environment: string;
  /** Expression over permissions that the request requires, e.g. `orders:write and prices:read`. */
  readonly permission?: string | undefined;
  /** The client's address. Nothing else is looked at: not the socket, not a header. */
  readonly clientIp?: string | undefined;
  /** Where a withdrawal goes: held against the key's address book, where the environment's rules say so. */
  readonly destination?: string | undefined;
  /** Units taken from limits and quota; 1 when left out. */
  readonly cost?: number | undefined;
  /** What the consumer showed beside his credential; one that a signature covers counts before it. */
  readonly secondFactor?: PresentedFactor | undefined;
}

/** A second factor, as the client sent it. */
export interface PresentedFactor {
  /** The one-time code of an authenticator. */
  readonly otp: string;
}

/** What is left of one named rate limit after this verdict. */
export interface RateLimitVerdict {
  readonly name: string;
  readonly limit: number;
  readonly remaining: number;
  /** Seconds until the limit is whole again. */
  readonly resetSeconds: number;
  /** Seconds after which the same request would pass this limit; only where it did not, and waiting helps. */
  readonly retryAfterSeconds?: number;
}

/** What is left of the quota after this verdict. */
export interface QuotaVerdict {
  readonly limit: number;
  readonly remaining: number;
  readonly period: 'minute' | 'hour' | 'day' | 'month';
  /** RFC 3339; when the period ends. */
  readonly resetsAt: string;
}

/** One verifier, or all that share a store. */
export type LimitScope = 'verifier' | 'installation';

/** The decision on one request. A refusal names ids only where the caller proved to hold the secret. */
export interface Verdict {
  readonly valid: boolean;
  readonly code: VerdictCode;
  readonly keyId?: string;
  readonly credentialId?: string;
  readonly consumerId?: string;
  readonly permissions?: readonly string[];
  readonly rateLimits?: readonly RateLimitVerdict[];
  readonly quota?: QuotaVerdict;
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** Within what the limits are exact; only where the key has any. */
  readonly scope?: LimitScope;
  /** How the request was signed. */
  readonly dialect?: DialectName;
  /** How far the signer's clock was behind ours, milliseconds; only of signed requests with a time. */
  readonly clockSkewMs?: number;
  /** Signed digests of a body that was not handed over: whoever has it must check them. */
  readonly bodyDigests?: readonly { readonly algorithm: 'sha-256' | 'sha-512'; readonly value: string }[];
  /** Why, for the operator's log; nothing of it is for the client. */
  readonly reason?: string;
  /** True when decided after the lease was over, in an environment with `afterLease: serve`. */
  readonly stale?: true;
}
