import { toBase64 } from '../log/base64.ts';
import { fromHex, signatureFromBase64, toBytes, toHex } from './bytes.ts';
import {
  CLOCK_AHEAD_MS,
  type Dialect,
  type DialectRefusal,
  isMalformed,
  type Malformed,
  type ReceivedRequest,
  type SignatureAlgorithm,
  type SignedClaim,
} from './dialect.ts';
import { hasField, isCredential, malformed, readFields, withFields } from './fields.ts';
import { type RefusalKind, refusalKind } from './refusal-kind.ts';
import type { BybitSettings } from './settings.ts';
import { taskOf } from './signing-task.ts';
import { isJsonStart, splitTarget } from './target.ts';

const KEY = 'X-BAPI-API-KEY';
const TIMESTAMP = 'X-BAPI-TIMESTAMP';
const SIGN = 'X-BAPI-SIGN';
const WINDOW = 'X-BAPI-RECV-WINDOW';
const DEFAULT_WINDOW_MS = 5000;
/** Bybit names no longest window; this is our choice, and Binance's. */
const LONGEST_WINDOW_MS = 60_000;

/**
 * Bybit's style, version 5: the query is signed under GET and DELETE, the body, which is JSON, under other methods,
 * and whatever else the request would have is refused. NOT signed: the host, the path (as in Binance's style), the
 * method where it does not change which of the two is signed, and a `?` with nothing after it.
 * @see https://bybit-exchange.github.io/docs/v5/guide
 */
export const bybit: Dialect<BybitSettings> = {
  name: 'bybit',
  recognises: (request) => hasField(request, KEY, SIGN),
  read,
  async prepare(request, context, settings) {
    const windowMs = String(DEFAULT_WINDOW_MS);
    const isHmac = context.algorithm === 'hmac-sha256';
    return taskOf(bybit, settings, context, (signature) => ({
      ...request,
      method: request.method.toUpperCase(),
      headers: withFields(request.headers, [
        [KEY, context.credential],
        [TIMESTAMP, String(context.nowMs)],
        [WINDOW, windowMs],
        [SIGN, isHmac ? toHex(signature) : toBase64(signature)],
      ]),
    }));
  },
  refuse: (code) => REFUSALS[refusalKind(code)],
};

function read(request: ReceivedRequest): SignedClaim | Malformed {
  const fields = readFields(request, [KEY, TIMESTAMP, SIGN], [WINDOW]);
  if (isMalformed(fields)) return fields;
  const { [KEY]: credential, [TIMESTAMP]: timestamp, [SIGN]: sign, [WINDOW]: window } = fields;
  if (!isCredential(credential)) return malformed(`${KEY} is no id of a credential`);
  // Key, window and payload follow each other with nothing between them, so each has to have its own length or end.
  if (!/^[1-9]\d{12}$/.test(timestamp)) return malformed(`${TIMESTAMP} is no time in milliseconds`);
  const windowMs = Number(window ?? DEFAULT_WINDOW_MS);
  if (!/^[1-9]\d{0,4}$/.test(window ?? '1') || windowMs > LONGEST_WINDOW_MS) {
    return malformed(`${WINDOW} is no number of milliseconds up to ${LONGEST_WINDOW_MS}`);
  }
  const signed = readSignature(sign);
  if (signed === null) return malformed(`${SIGN} is neither hex of an HMAC nor Base 64 of RSA`);
  const payload = readPayload(request);
  if (isMalformed(payload)) return payload;
  const signedAt = Number(timestamp);
  return {
    credential,
    base: [timestamp + credential + (window ?? ''), payload.bytes],
    ...signed,
    secretEncoding: 'utf8',
    freshness: { signedAt, after: signedAt - CLOCK_AHEAD_MS, until: signedAt + windowMs },
    nonce: null,
    digests: [],
  };
}

/**
 * The query or the body. INVARIANT: its first byte says which, and is no digit: a query has no brace there and a body
 * always one, and a window of 5000 with the query `0=1` is not one of 50000 with `=1`.
 */
function readPayload({ method, target, body }: ReceivedRequest): { readonly bytes: Uint8Array } | Malformed {
  const split = splitTarget(target);
  if (split === null) return malformed('the target is not a path with a query');
  if (body === null) return malformed('the body was not read');
  const query = split.query ?? '';
  if (/^(?:POST|PUT|PATCH)$/.test(method)) {
    if (query !== '') return malformed(`the target has a query, which is not signed under ${method}`);
    return body.length === 0 || isJsonStart(body[0]) ? { bytes: body } : malformed('the body is no JSON');
  }
  if (!/^(?:GET|HEAD|DELETE)$/.test(method)) return malformed(`the dialect has no ${method}`);
  if (body.length > 0) return malformed(`there is a body, which is not signed under ${method}`);
  return /^[\d{[]/.test(query) ? malformed('the query does not begin with a name') : { bytes: toBytes(query) };
}

function readSignature(text: string): { signature: Uint8Array; algorithms: readonly SignatureAlgorithm[] } | null {
  if (/^[0-9a-fA-F]{64}$/.test(text)) {
    return { signature: fromHex(text) as Uint8Array, algorithms: ['hmac-sha256'] };
  }
  const signature = signatureFromBase64(text);
  return signature !== null && signature.length >= 256 ? { signature, algorithms: ['rsa-v1_5-sha256'] } : null;
}

function answer(status: number, retCode: number, retMsg: string): DialectRefusal {
  return { status, body: JSON.stringify({ retCode, retMsg, result: {}, retExtInfo: {} }) };
}

/** Bybit itself answers most of these with 200. INVARIANT: we never do, see Kraken's; ccxt goes by `retCode`. */
const REFUSALS: Readonly<Record<RefusalKind, DialectRefusal>> = {
  unauthenticated: answer(401, 10003, 'API key is invalid.'),
  time: answer(401, 10002, 'The request is outside of its recv_window; check timestamp and recv_window.'),
  replay: answer(401, 10002, 'The request was received before.'),
  network: answer(401, 10010, 'This address is not one of the API key.'),
  permission: answer(401, 10005, 'Permission denied; check the permissions of the API key.'),
  'second-factor': answer(401, 10005, 'Permission denied without a second factor.'),
  rate: answer(429, 10006, 'Too many visits.'),
  // Not an object: to any object ccxt has an exception of its own, and none of them says "try again".
  unavailable: { status: 503, body: '"Service unavailable; try again shortly."' },
};
