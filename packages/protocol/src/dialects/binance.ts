import { toBase64 } from '../log/base64.ts';
import { readPayload } from './binance-payload.ts';
import { fromHex, signatureFromBase64, toHex } from './bytes.ts';
import {
  CLOCK_AHEAD_MS,
  type Dialect,
  type DialectRefusal,
  type Freshness,
  isMalformed,
  type Malformed,
  type OutgoingRequest,
  type ReceivedRequest,
  type SignatureAlgorithm,
  type SignedClaim,
} from './dialect.ts';
import { hasField, isCredential, malformed, readFields, withFields } from './fields.ts';
import { withParameter } from './form.ts';
import { bodyText } from './form-body.ts';
import { type RefusalKind, refusalKind } from './refusal-kind.ts';
import type { BinanceSettings } from './settings.ts';
import { queryOf, taskOf, withQuery } from './signing-task.ts';
import { isBodiless, splitTarget } from './target.ts';

const KEY = 'X-MBX-APIKEY';
const DEFAULT_WINDOW_MS = 5000;
const LONGEST_WINDOW_MS = 60_000;
const HMAC_DIGITS = 64;
const HMAC: readonly SignatureAlgorithm[] = ['hmac-sha256'];

/**
 * Binance's style: parameters in query or form, of which `timestamp` and `signature` are two. NOT signed: the method,
 * the host, the path (what is signed for one path is good on another; with the base kept against replay, on one of
 * them), and whether the parameters stand in the query or in the body. An API with this style must not let two paths
 * take the same parameters for different things.
 * @see https://developers.binance.com/docs/binance-spot-api-docs/rest-api/request-security
 */
export const binance: Dialect<BinanceSettings> = {
  name: 'binance',
  recognises: (request) => hasField(request, KEY),
  read,
  async prepare(request, context, settings) {
    const method = request.method.toUpperCase();
    // At the end of a query the time also marks where it ends, should there be a form as well.
    const isInQuery = queryOf(request.url) !== '' || (request.body.length === 0 && !/^P/.test(method));
    const ready = { ...request, method, headers: withFields(request.headers, [[KEY, context.credential]]) };
    return taskOf(binance, settings, context, (signature) => {
      const text = context.algorithm.startsWith('hmac') ? toHex(signature) : toBase64(signature);
      return isInQuery ? inQuery(ready, context.nowMs, text) : inForm(ready, context.nowMs, text);
    });
  },
  refuse: (code) => REFUSALS[refusalKind(code)],
};

function read(request: ReceivedRequest): SignedClaim | Malformed {
  const fields = readFields(request, [KEY]);
  if (isMalformed(fields)) return fields;
  if (!isCredential(fields[KEY])) return malformed(`${KEY} is no id of a credential`);
  const target = splitTarget(request.target);
  if (target === null) return malformed('the target is not a path with a query');
  if (request.body === null) return malformed('the body was not read');
  // Whatever is behind us may or may not look at such a body, so its parameters may or may not count.
  if (isBodiless(request) && request.body.length > 0) return malformed(`${request.method} with a body`);
  const form = bodyText(request.body);
  if (form === null) return malformed('the body is longer than a form');
  const payload = readPayload(target.query ?? '', form);
  if (isMalformed(payload)) return payload;
  const freshness = freshnessOf(payload.timestamp, payload.recvWindow);
  if (freshness === null) return malformed('timestamp or recvWindow is no such number');
  const signed = readSignature(payload.signature);
  if (signed === null) return malformed('signature is neither hex of an HMAC nor Base 64');
  return {
    credential: fields[KEY],
    base: [payload.query, request.body.subarray(0, payload.form.length)],
    ...signed,
    secretEncoding: 'utf8',
    freshness,
    nonce: null,
    digests: [],
  };
}

/** Accepted where timestamp < now + 1000 and now − timestamp ≤ recvWindow; from 10¹⁵ on it counts microseconds. */
function freshnessOf(timestamp: string, recvWindow: string | undefined): Freshness | null {
  if (!/^[1-9]\d{0,15}$/.test(timestamp) || !/^\d{1,5}(?:\.\d{1,3})?$/.test(recvWindow ?? '0')) return null;
  const signedAt = Number(timestamp) >= 1e15 ? Number(timestamp) / 1000 : Number(timestamp);
  const windowMs = recvWindow === undefined ? DEFAULT_WINDOW_MS : Number(recvWindow);
  if (windowMs > LONGEST_WINDOW_MS) return null;
  return { signedAt, after: signedAt - CLOCK_AHEAD_MS, until: signedAt + windowMs };
}

/** 64 hex digits are an HMAC. Anything else is Base 64, percent-encoded, and its length says of what. */
function readSignature(text: string): { signature: Uint8Array; algorithms: readonly SignatureAlgorithm[] } | null {
  const mac = text.length === HMAC_DIGITS ? fromHex(text) : null;
  if (mac !== null) return { signature: mac, algorithms: HMAC };
  const signature = signatureFromBase64(decodePercents(text));
  if (signature === null) return null;
  if (signature.length === 64) return { signature, algorithms: ['ed25519'] };
  return signature.length >= 256 ? { signature, algorithms: ['rsa-v1_5-sha256'] } : null;
}

/** Only what Base 64 has and a query does not; a bare `+` stays one and is a space to nobody here. */
function decodePercents(text: string): string {
  return text.replace(/%2B/gi, '+').replace(/%2F/gi, '/').replace(/%3D/gi, '=');
}

function inQuery(request: OutgoingRequest, nowMs: number, signature: string): OutgoingRequest {
  const signed = withParameter(queryOf(request.url), 'timestamp', String(nowMs));
  return { ...request, url: withQuery(request.url, withParameter(signed, 'signature', signature)) };
}

function inForm(request: OutgoingRequest, nowMs: number, signature: string): OutgoingRequest {
  const signed = withParameter(bodyText(request.body) ?? '', 'timestamp', String(nowMs));
  const text = withParameter(signed, 'signature', signature);
  // Each character is a byte of the body that was handed over.
  const body = Uint8Array.from(text, (char) => char.charCodeAt(0));
  const headers = withFields(request.headers, [['Content-Type', 'application/x-www-form-urlencoded']]);
  return { ...request, headers, body };
}

function answer(status: number, code: number | undefined, msg: string): DialectRefusal {
  return { status, body: JSON.stringify({ ...(code === undefined ? {} : { code }), msg }) };
}

/** ccxt goes by `msg` first, then by `code`; without a code by the status. */
const REFUSALS: Readonly<Record<RefusalKind, DialectRefusal>> = {
  unauthenticated: answer(400, -1022, 'Signature for this request is not valid.'),
  time: answer(400, -1021, 'Timestamp for this request is outside of the recvWindow.'),
  replay: answer(400, -1021, 'This request was received before.'),
  network: answer(401, -1002, 'You are not authorized to execute this request.'),
  permission: answer(401, -1002, 'You are not authorized to execute this request.'),
  'second-factor': answer(401, -1002, 'This key has no operation privilege without a second factor.'),
  rate: answer(429, -1003, 'Too many requests.'),
  unavailable: answer(503, undefined, 'Service unavailable; try again shortly.'),
};
