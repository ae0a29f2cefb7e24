import type { VerdictCode } from '../../verdict.ts';
import type { DialectRefusal } from '../dialect.ts';

/**
 * Codes that only somebody with a working key gets to see, and a time that is wrong whatever the key is; to a stranger all
 * others are one.
 */
const SAID: Partial<Readonly<Record<VerdictCode, readonly [status: number, detail: string]>>> = {
  TIMESTAMP_OUT_OF_WINDOW: [401, 'This was signed too long ago, or in the future: set the clock, and sign anew.'],
  REPLAYED: [401, 'This was received before: sign each request anew.'],
  NETWORK_NOT_ALLOWED: [403, 'This key does not work from your address.'],
  INSUFFICIENT_PERMISSIONS: [403, 'This key does not have the permission that this request takes.'],
  DESTINATION_NOT_ALLOWED: [403, 'This key does not send funds there.'],
  SECOND_FACTOR_REQUIRED: [403, 'This request takes a second factor.'],
  RATE_LIMITED: [429, 'Slow down. Where Retry-After says when, try again then.'],
  QUOTA_EXCEEDED: [429, 'The quota of this key is used up.'],
  VERIFIER_FENCED: [503, 'Keys cannot be verified now; try again shortly.'],
  STORE_UNAVAILABLE: [503, 'Keys cannot be verified now; try again shortly.'],
};

/**
 * Problem details (RFC 9457): RFC 9421 has no body of its own for a refusal.
 * @param otherwise what a stranger is told
 * @throws RangeError for `VALID`, which refuses nothing
 */
export function problemOf(code: VerdictCode, otherwise = 'This signature does not work.'): DialectRefusal {
  if (code === 'VALID') throw new RangeError('VALID is no refusal');
  const said = SAID[code];
  if (said === undefined) return problem(401, 'KEY_INVALID', otherwise);
  const [status, detail] = said;
  return problem(status, status === 503 ? 'UNAVAILABLE' : code, detail);
}

function problem(status: number, code: string, detail: string): DialectRefusal {
  return { status, body: JSON.stringify({ type: 'about:blank', status, code, detail }) };
}
