import type { VerdictCode } from '../verdict.ts';

/** What a client may learn of why it was refused. */
export type RefusalKind =
  /** Nothing but "no": whoever asks has not shown that he holds the secret, or holds one that is good no more. */
  | 'unauthenticated'
  /** Decided before key and signature are looked at, so it says nothing about either. */
  | 'time'
  | 'network'
  | 'permission'
  | 'second-factor'
  | 'replay'
  | 'rate'
  | 'unavailable';

const KINDS = {
  VERIFIER_FENCED: 'unavailable',
  MALFORMED: 'unauthenticated',
  WRONG_ENVIRONMENT: 'unauthenticated',
  TIMESTAMP_OUT_OF_WINDOW: 'time',
  NOT_FOUND: 'unauthenticated',
  SIGNATURE_INVALID: 'unauthenticated',
  REVOKED: 'unauthenticated',
  SUSPENDED: 'unauthenticated',
  NOT_YET_VALID: 'unauthenticated',
  EXPIRED: 'unauthenticated',
  NETWORK_NOT_ALLOWED: 'network',
  INSUFFICIENT_PERMISSIONS: 'permission',
  DESTINATION_NOT_ALLOWED: 'permission',
  SECOND_FACTOR_REQUIRED: 'second-factor',
  REPLAYED: 'replay',
  STORE_UNAVAILABLE: 'unavailable',
  RATE_LIMITED: 'rate',
  QUOTA_EXCEEDED: 'rate',
} as const satisfies Record<Exclude<VerdictCode, 'VALID'>, RefusalKind>;

/** @throws RangeError for `VALID`, which refuses nothing */
export function refusalKind(code: VerdictCode): RefusalKind {
  if (code === 'VALID') throw new RangeError('VALID is no refusal');
  return KINDS[code];
}
