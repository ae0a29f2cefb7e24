import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Verdict, VerdictCode, VerificationRequest } from '@keyhold/protocol/verdict';
import { type Clock, systemClock } from '@keyhold/verifier/clock';
import { ClientAddress } from './client-address.ts';

export interface GuardOptions {
  /** An embedded verifier's `verify`, or that of a verifier client. */
  readonly verify: (request: VerificationRequest) => Promise<Verdict>;
  /** `project/environment` whose keys open this API. */
  readonly environment: string;
  /** Networks of proxies whose `X-Forwarded-For` is believed; default: none. */
  readonly trustedProxies?: readonly string[];
  /** Told of each refusal, with the code that the client doesn't get to see. */
  readonly refused?: (verdict: Verdict, request: IncomingMessage) => void;
  /** Default: the machine's own. */
  readonly clock?: Pick<Clock, 'wall'>;
}

/** What one route requires. */
export interface Requirement {
  /** Expression over permissions; left out: any valid key. */
  readonly permission?: string;
  /** Units that this request takes from limits and quota; default 1. */
  readonly cost?: number;
}

/** Answers the request and gives null when it is refused; else the verdict. */
export type Guard = (
  request: IncomingMessage,
  response: ServerResponse,
  requirement: Requirement,
) => Promise<Verdict | null>;

/**
 * Guards a `node:http` server: verifies `Authorization: Bearer <key>` and answers what is refused.
 * A stranger learns only that the key does not work; who holds a working key learns why this request doesn't.
 * @throws TypeError when a trusted proxy is not a network
 */
export function createGuard(options: GuardOptions): Guard {
  const address = new ClientAddress(options.trustedProxies ?? []);
  return async (request, response, { permission, cost }) => {
    const key = bearerKey(request);
    if (key === null) {
      answer(response, 401, 'KEY_REQUIRED', 'Send your API key as "Authorization: Bearer <key>".');
      return null;
    }
    const verdict = await decide(options, {
      key,
      environment: options.environment,
      permission,
      clientIp: address.of(request),
      cost,
    });
    if (verdict.valid) return verdict;
    options.refused?.(verdict, request);
    refuse(response, verdict, (options.clock ?? systemClock).wall());
    return null;
  };
}

/** Fails closed: a verifier that can't be asked is a refusal. */
async function decide({ verify }: GuardOptions, request: VerificationRequest): Promise<Verdict> {
  try {
    return await verify(request);
  } catch {
    return { valid: false, code: 'STORE_UNAVAILABLE' };
  }
}

function bearerKey(request: IncomingMessage): string | null {
  return /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1] ?? null;
}

/** Codes that only somebody with a working key gets to see; all others answer alike. */
const STATUS: Partial<Readonly<Record<VerdictCode, number>>> = {
  NETWORK_NOT_ALLOWED: 403,
  INSUFFICIENT_PERMISSIONS: 403,
  SECOND_FACTOR_REQUIRED: 403,
  RATE_LIMITED: 429,
  QUOTA_EXCEEDED: 429,
  VERIFIER_FENCED: 503,
  STORE_UNAVAILABLE: 503,
};

const DETAIL: Partial<Readonly<Record<VerdictCode, string>>> = {
  NETWORK_NOT_ALLOWED: 'This key does not work from your address.',
  INSUFFICIENT_PERMISSIONS: 'This key does not have the permission that this request takes.',
  SECOND_FACTOR_REQUIRED: 'This request takes a second factor.',
  RATE_LIMITED: 'Slow down, and try again after the time in Retry-After.',
  QUOTA_EXCEEDED: 'The quota of this key is used up.',
  VERIFIER_FENCED: 'Keys cannot be verified now; try again shortly.',
  STORE_UNAVAILABLE: 'Keys cannot be verified now; try again shortly.',
};

function refuse(response: ServerResponse, verdict: Verdict, nowMs: number): void {
  const status = STATUS[verdict.code];
  if (status === undefined) return answer(response, 401, 'KEY_INVALID', 'This API key does not work.');
  const retryAfter = retryAfterSeconds(verdict, status, nowMs);
  if (retryAfter !== null) response.setHeader('retry-after', String(retryAfter));
  const code = status === 503 ? 'UNAVAILABLE' : verdict.code;
  answer(response, status, code, DETAIL[verdict.code] ?? 'Refused.');
}

function retryAfterSeconds({ code, rateLimits, quota }: Verdict, status: number, nowMs: number): number | null {
  if (code === 'RATE_LIMITED')
    return Math.max(1, ...(rateLimits ?? []).map(({ retryAfterSeconds = 1 }) => retryAfterSeconds));
  if (code === 'QUOTA_EXCEEDED' && quota !== undefined) {
    return Math.max(1, Math.ceil((Date.parse(quota.resetsAt) - nowMs) / 1000));
  }
  return status === 503 ? 1 : null;
}

function answer(response: ServerResponse, status: number, code: string, detail: string): void {
  response.statusCode = status;
  response.setHeader('content-type', 'application/problem+json; charset=utf-8');
  response.setHeader('cache-control', 'no-store');
  if (status === 401) response.setHeader('www-authenticate', 'Bearer');
  response.end(JSON.stringify({ type: 'about:blank', status, code, detail }));
}
