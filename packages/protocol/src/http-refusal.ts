import type { FieldLine } from './dialects/dialect.ts';
import type { Recognised } from './dialects/dialects.ts';
import { problemOf } from './dialects/rfc9421/refusal.ts';
import type { Verdict } from './verdict.ts';

/** What a client is answered instead of what it asked for. */
export interface HttpRefusal {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: readonly FieldLine[];
  /** JSON text. */
  readonly body: string;
}

/** Dialects without an error body of their own: theirs are problem details (RFC 9457). */
const PROBLEMS: readonly string[] = ['rfc9421', 'hmac'];

/**
 * Words a refusal for the client. A stranger learns only that it does not work; who holds a working key learns why this
 * request doesn't. INVARIANT: `reason` is the operator's, and nothing of it is in here.
 * @param recognised how the request was signed, to be answered in those words; null: as problem details
 */
export function refusalOf(verdict: Verdict, recognised: Recognised | null, nowMs: number): HttpRefusal {
  const retryAfterSeconds = retryAfterOf(verdict, nowMs);
  if (recognised === null) {
    return withHeaders(problemOf(verdict.code, 'This API key does not work.'), PROBLEM, retryAfterSeconds);
  }
  const { dialect, settings } = recognised;
  const refusal = dialect.refuse(verdict.code, settings, retryAfterSeconds);
  return withHeaders(refusal, PROBLEMS.includes(dialect.name) ? PROBLEM : 'application/json', retryAfterSeconds);
}

/** A refusal that no verdict made: nothing was presented, or what came is too large. */
export function problemRefusal(status: number, code: string, detail: string): HttpRefusal {
  return withHeaders(
    { status, body: JSON.stringify({ type: 'about:blank', status, code, detail }) },
    PROBLEM,
    undefined,
  );
}

const PROBLEM = 'application/problem+json';

function withHeaders(
  { status, body }: Pick<HttpRefusal, 'status' | 'body'>,
  type: string,
  retryAfterSeconds: number | undefined,
): HttpRefusal {
  const headers: FieldLine[] = [
    ['content-type', `${type}; charset=utf-8`],
    ['cache-control', 'no-store'],
  ];
  // RFC 9110 §15.5.2: with 401 always.
  if (status === 401) headers.push(['www-authenticate', 'Bearer']);
  if (retryAfterSeconds !== undefined) headers.push(['retry-after', String(retryAfterSeconds)]);
  return { status, headers, body };
}

/** Undefined where waiting does not help. */
function retryAfterOf({ code, rateLimits, quota }: Verdict, nowMs: number): number | undefined {
  if (code === 'RATE_LIMITED') {
    const waits = (rateLimits ?? []).flatMap(({ retryAfterSeconds = [] }) => retryAfterSeconds);
    return waits.length === 0 ? undefined : Math.max(1, ...waits);
  }
  if (code === 'QUOTA_EXCEEDED' && quota !== undefined) {
    return Math.max(1, Math.ceil((Date.parse(quota.resetsAt) - nowMs) / 1000));
  }
  return code === 'STORE_UNAVAILABLE' || code === 'VERIFIER_FENCED' || code === 'QUOTA_EXCEEDED' ? 1 : undefined;
}
