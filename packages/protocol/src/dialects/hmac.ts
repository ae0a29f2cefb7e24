import { toBase64 } from '../log/base64.ts';
import { fromBase64Url, fromHex, signatureFromBase64, toBase64Url, toHex } from './bytes.ts';
import { formatUtc, parseUtc } from './civil-time.ts';
import {
  CLOCK_AHEAD_MS,
  type BasePart,
  type Dialect,
  type DialectRefusal,
  type FieldLine,
  isMalformed,
  type Malformed,
  type ReceivedRequest,
  type SignedClaim,
} from './dialect.ts';
import { hasField, isCredential, isMethod, malformed, readFields, withFields } from './fields.ts';
import { hmacSettingsFault } from './hmac-template.ts';
import { type RefusalKind, refusalKind } from './refusal-kind.ts';
import { type HmacSettings, MAX_WINDOW_SECONDS } from './settings.ts';
import { taskOf } from './signing-task.ts';
import { isBodyApart, pathAndQuery, splitTarget, type Target } from './target.ts';

/**
 * An API's own HMAC scheme, as the settings have it. A clock may be ahead by
 * {@link CLOCK_AHEAD_MS}, or the window where that is shorter.
 * NOT signed: the host, and the credential where the template leaves it out (another one has another secret).
 */
export const hmac: Dialect<HmacSettings> = {
  name: 'hmac',
  recognises: (request, { signatureHeader }) => hasField(request, signatureHeader),
  read,
  async prepare(request, context, settings) {
    const { credentialHeader, timestampHeader, nonceHeader, signatureHeader, signaturePrefix = '' } = settings;
    const lines = (signature: Uint8Array): FieldLine[] => [
      [credentialHeader, context.credential],
      [timestampHeader, writeTime(context.nowMs, settings)],
      ...(nonceHeader === undefined ? [] : ([[nonceHeader, context.nonce.text]] as const)),
      [signatureHeader, signaturePrefix + writeSignature(signature, settings)],
    ];
    return taskOf(hmac, settings, context, (signature) => ({
      ...request,
      method: request.method.toUpperCase(),
      headers: withFields(request.headers, lines(signature)),
    }));
  },
  refuse: (code, _, retryAfterSeconds) => refusal(refusalKind(code), retryAfterSeconds),
};

function read(request: ReceivedRequest, settings: HmacSettings): SignedClaim | Malformed {
  const fault = hmacSettingsFault(settings);
  if (fault !== null) return malformed(`the settings of the dialect are not safe: ${fault}`);
  const { credentialHeader, timestampHeader, signatureHeader, nonceHeader, windowSeconds, hash } = settings;
  const required = [
    credentialHeader,
    timestampHeader,
    signatureHeader,
    ...(nonceHeader === undefined ? [] : [nonceHeader]),
  ];
  const fields = readFields(request, required);
  if (isMalformed(fields)) return fields;
  const [credential, timestamp, sign, nonce] = required.map((name) => fields[name]) as [
    string,
    string,
    string,
    string?,
  ];
  if (!isCredential(credential)) return malformed(`${credentialHeader} is no id of a credential`);
  if (!/^[\x21-\x7e]{1,128}$/.test(nonce ?? 'none'))
    return malformed(`${nonceHeader} is not 1 to 128 visible characters`);
  const signedAt = readTime(timestamp, settings);
  if (signedAt === null) return malformed(`${timestampHeader} is no time in ${settings.timestampUnit}`);
  const signature = readSignature(sign, settings);
  if (signature?.length !== (hash === 'sha256' ? 32 : 64)) return malformed(`${signatureHeader} is no such signature`);
  const base = baseOf(request, settings, { credential, timestamp, nonce: nonce ?? '' });
  if (isMalformed(base)) return base;
  const windowMs = windowSeconds * 1000;
  return {
    credential,
    base: base.parts,
    signature,
    algorithms: [`hmac-${hash}`],
    secretEncoding: settings.secretEncoding,
    freshness: {
      signedAt,
      after: signedAt - Math.min(windowMs, CLOCK_AHEAD_MS),
      until: signedAt + windowMs,
      longest: signedAt + MAX_WINDOW_SECONDS * 1000,
    },
    nonce: nonce === undefined ? null : { kind: 'once', value: nonce },
    digests: [],
  };
}

type Said = Readonly<Record<'credential' | 'timestamp' | 'nonce', string>>;

function baseOf(
  request: ReceivedRequest,
  { signed }: HmacSettings,
  said: Said,
): { readonly parts: readonly BasePart[] } | Malformed {
  const target = splitTarget(request.target);
  if (!isMethod(request.method)) return malformed('the method is not of capital letters');
  if (target === null) return malformed('the target is not a path with a query');
  const { body } = request;
  if (body === null) return malformed('the body was not read');
  const fault = unsignedFault(signed, target, body);
  if (fault !== null) return fault;
  const parts = signed.map((part): BasePart => {
    if (typeof part === 'object') return part.text;
    if (part === 'body') return body;
    if (part === 'body-sha256-hex') return { sha256: body, hex: true };
    const { path, query } = target;
    return { ...said, method: request.method, path, query: query ?? '', target: pathAndQuery(target) }[part];
  });
  return { parts };
}

/** Nothing is accepted that the template leaves out, nor what the text alone would not tell apart. */
function unsignedFault(signed: HmacSettings['signed'], target: Target, body: Uint8Array): Malformed | null {
  const isBodySigned = signed.includes('body') || signed.includes('body-sha256-hex');
  if (body.length > 0 && !isBodySigned) return malformed('there is a body, which the template does not sign');
  // A mark with nothing after it would be no query to the one and an empty one to the other.
  if (!signed.includes('target') && target.query === '') return malformed('the query is empty');
  if (!signed.includes('target') && !signed.includes('query') && target.query !== null) {
    return malformed('there is a query, which the template does not sign');
  }
  const parts = signed.filter((part) => typeof part === 'string' || part.text !== '');
  const before = parts[parts.indexOf('body') - 1];
  const isNext = before === 'target' || before === 'path' || before === 'query';
  return isNext && !isBodyApart(target, body) ? malformed('where the body begins cannot be told from the text') : null;
}

/** All of one length, but for decimals of RFC 3339, which a `Z` ends. */
function readTime(text: string, { timestampUnit }: HmacSettings): number | null {
  if (timestampUnit === 'rfc3339') return parseUtc(text);
  const digits = timestampUnit === 's' ? 10 : 13;
  if (text.length !== digits || !/^[1-9]\d+$/.test(text)) return null;
  return timestampUnit === 's' ? Number(text) * 1000 : Number(text);
}

function writeTime(ms: number, { timestampUnit }: HmacSettings): string {
  if (timestampUnit === 'rfc3339') return formatUtc(ms);
  return String(timestampUnit === 's' ? Math.floor(ms / 1000) : ms);
}

function readSignature(text: string, { signaturePrefix = '', signatureEncoding }: HmacSettings): Uint8Array | null {
  if (!text.startsWith(signaturePrefix)) return null;
  const encoded = text.slice(signaturePrefix.length);
  if (signatureEncoding === 'hex') return fromHex(encoded);
  return signatureEncoding === 'base64' ? signatureFromBase64(encoded) : fromBase64Url(encoded.slice(0, 4096));
}

function writeSignature(signature: Uint8Array, { signatureEncoding }: HmacSettings): string {
  if (signatureEncoding === 'hex') return toHex(signature);
  return signatureEncoding === 'base64' ? toBase64(signature) : toBase64Url(signature);
}

const REFUSALS: Readonly<Record<RefusalKind, readonly [status: number, code: string, title: string]>> = {
  unauthenticated: [401, 'UNAUTHENTICATED', 'The request is not signed with a key that is good here.'],
  time: [401, 'TIMESTAMP_OUT_OF_WINDOW', 'The request was signed too long ago, or in the future.'],
  replay: [401, 'REPLAYED', 'The request was received before.'],
  network: [403, 'NETWORK_NOT_ALLOWED', 'The key is not good from this address.'],
  permission: [403, 'INSUFFICIENT_PERMISSIONS', 'The key does not allow this.'],
  'second-factor': [403, 'SECOND_FACTOR_REQUIRED', 'This needs a second factor.'],
  rate: [429, 'RATE_LIMITED', 'Too many requests.'],
  unavailable: [503, 'UNAVAILABLE', 'This cannot be decided now; try again shortly.'],
};

/** Problem details (RFC 9457). */
function refusal(kind: RefusalKind, retryAfterSeconds?: number): DialectRefusal {
  const [status, code, title] = REFUSALS[kind];
  const wait = retryAfterSeconds === undefined ? {} : { retryAfterSeconds };
  return { status, body: JSON.stringify({ type: 'about:blank', title, status, code, ...wait }) };
}
