import { toBase64Url, toBytes } from './bytes.ts';
import { freshnessOf, issuerFault, uriFault } from './coinbase-cdp-claims.ts';
import { looksLikeJwt, readJwt } from './compact-jwt.ts';
import {
  type Dialect,
  type DialectRefusal,
  isMalformed,
  type Malformed,
  type OutgoingRequest,
  type ReceivedRequest,
  type SignatureAlgorithm,
  type SignedClaim,
  type SigningContext,
} from './dialect.ts';
import { isCredential, isMethod, malformed, valuesOf, withFields } from './fields.ts';
import { stringMember } from './json-members.ts';
import { type RefusalKind, refusalKind } from './refusal-kind.ts';
import type { CoinbaseCdpSettings } from './settings.ts';
import { splitUrl, taskOf } from './signing-task.ts';

const BEARER = /^bearer (\S+)$/i;
const SECONDS = 120;

/** RFC 7518 §3.1, RFC 8037 §3.1. INVARIANT: `none` and the HMACs are not among them. */
const ALGORITHMS: Readonly<Record<string, SignatureAlgorithm>> = { EdDSA: 'ed25519', ES256: 'ecdsa-p256-sha256' };

/**
 * Coinbase's style with keys of its developer platform: a JWT for one method, host and path. NOT signed: the query and
 * the body. Whoever can change a request on its way can order something else with them, so an API that takes orders
 * this way has nothing but TLS to keep them as they were; that the token is good once still holds.
 * @see https://docs.cdp.coinbase.com/api-reference/v2/authentication
 */
export const coinbaseCdp: Dialect<CoinbaseCdpSettings> = {
  name: 'coinbase-cdp',
  recognises: (request) => tokensOf(request).some(looksLikeJwt),
  read,
  async prepare(request, context, settings) {
    const ready = { ...request, method: request.method.toUpperCase() };
    const input = signingInput(ready, context, settings);
    return taskOf(coinbaseCdp, settings, context, (signature) => ({
      ...ready,
      headers: withFields(ready.headers, [['Authorization', `Bearer ${input}.${toBase64Url(signature)}`]]),
    }));
  },
  refuse: (code) => REFUSALS[refusalKind(code)],
};

/** Tokens in `Authorization`; a line of another scheme is none. */
function tokensOf(request: ReceivedRequest): string[] {
  return valuesOf(request, 'authorization').map((value) => BEARER.exec(value)?.[1] ?? '');
}

function read(request: ReceivedRequest, settings: CoinbaseCdpSettings): SignedClaim | Malformed {
  const [token = '', ...more] = tokensOf(request);
  if (more.length > 0) return malformed('Authorization is there more than once');
  const jwt = readJwt(token);
  if (isMalformed(jwt)) return jwt;
  const { header, claims, signature, signingInput } = jwt;
  const algorithm = algorithmOf(header);
  if (isMalformed(algorithm)) return algorithm;
  if (signature.length !== 64) return malformed('the signature has not 64 bytes');
  const [credential, nonce] = [stringMember(header, 'kid') ?? '', stringMember(header, 'nonce') ?? ''];
  if (!isCredential(credential)) return malformed('kid is no id of a credential');
  if (stringMember(claims, 'sub') !== credential) return malformed('sub is not kid');
  if (!/^[\x21-\x7e]{1,128}$/.test(nonce)) return malformed('the header has no nonce of 1 to 128 visible characters');
  if (!isMethod(request.method)) return malformed('the method is not of capital letters');
  const fault = issuerFault(claims) ?? uriFault(claims, request, settings);
  if (fault !== null) return fault;
  const freshness = freshnessOf(claims);
  if (isMalformed(freshness)) return freshness;
  return {
    credential,
    base: [signingInput],
    signature,
    algorithms: [algorithm.name],
    secretEncoding: 'utf8',
    ...(algorithm.name === 'ed25519' ? {} : { ecdsaEncoding: 'ieee-p1363' as const }),
    freshness,
    nonce: { kind: 'once', value: nonce },
    digests: [],
  };
}

function algorithmOf(header: ReadonlyMap<string, string>): { readonly name: SignatureAlgorithm } | Malformed {
  const alg = stringMember(header, 'alg') ?? '';
  const name = Object.hasOwn(ALGORITHMS, alg) ? ALGORITHMS[alg] : undefined;
  if (name === undefined) return malformed('alg is neither EdDSA nor ES256');
  // RFC 7515 §4.1.11: what is not understood and critical is refused, and nothing that can be is understood here.
  if (header.has('crit') || header.has('b64')) return malformed('the header has crit or b64');
  const type = header.has('typ') ? stringMember(header, 'typ') : 'JWT';
  return type === 'JWT' ? { name } : malformed('typ is not JWT');
}

/** As Coinbase documents it for either kind of key. */
function signingInput(
  { method, url }: OutgoingRequest,
  { algorithm, credential, nonce, nowMs }: SigningContext,
  settings: CoinbaseCdpSettings,
): string {
  const { authority, target } = splitUrl(url);
  const uri = `${method} ${settings.host ?? authority}${target.split('?', 1)[0]}`;
  const isEd25519 = algorithm === 'ed25519';
  const seconds = Math.floor(nowMs / 1000);
  const header = { alg: isEd25519 ? 'EdDSA' : 'ES256', kid: credential, typ: 'JWT', nonce: nonce.text };
  const claims = {
    sub: credential,
    iss: isEd25519 ? 'cdp' : 'coinbase-cloud',
    aud: [isEd25519 ? 'cdp_service' : 'retail_rest_api_proxy'],
    nbf: seconds,
    exp: seconds + SECONDS,
    ...(isEd25519 ? { uris: [uri] } : { uri }),
  };
  return [header, claims].map((part) => toBase64Url(toBytes(JSON.stringify(part)))).join('.');
}

/** `error` is what ccxt reads, `errorType` Coinbase's own SDK. */
function answer(status: number, error: string, errorType: string, message: string): DialectRefusal {
  return { status, body: JSON.stringify({ error, message, errorType, errorMessage: message }) };
}

const REFUSALS: Readonly<Record<RefusalKind, DialectRefusal>> = {
  unauthenticated: answer(401, 'unauthorized', 'unauthorized', 'Unauthorized'),
  // In ccxt these very words are the exception.
  time: answer(401, 'request timestamp expired', 'unauthorized', 'The token is not good at this time'),
  replay: answer(401, 'request timestamp expired: seen', 'unauthorized', 'The token was used before'),
  network: answer(403, 'PERMISSION_DENIED', 'forbidden', 'This address is not one of the key'),
  permission: answer(403, 'PERMISSION_DENIED', 'forbidden', 'The key does not allow this'),
  'second-factor': answer(403, 'PERMISSION_DENIED', 'mfa_required', 'This needs a second factor'),
  rate: answer(429, 'rate_limit_exceeded', 'rate_limit_exceeded', 'Too many requests'),
  // Not an object: to any object with an error ccxt says that something is wrong with the request.
  unavailable: { status: 503, body: '"Service unavailable; try again shortly."' },
};
