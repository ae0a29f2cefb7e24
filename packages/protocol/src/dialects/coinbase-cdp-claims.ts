import { CLOCK_AHEAD_MS, type Freshness, type Malformed, type ReceivedRequest } from './dialect.ts';
import { malformed, valuesOf } from './fields.ts';
import { stringMember } from './json-members.ts';
import type { CoinbaseCdpSettings } from './settings.ts';
import { splitTarget } from './target.ts';

type Members = ReadonlyMap<string, string>;

const LONGEST_SECONDS = 120;

/**
 * Issuers, and the audiences that their tokens are for. Coinbase's own SDK names no audience, ccxt does, and so do
 * Coinbase's older clients; where one is named it has to be one of these.
 */
const AUDIENCES: Readonly<Record<string, readonly string[]>> = {
  cdp: ['cdp_service'],
  'coinbase-cloud': ['retail_rest_api_proxy'],
};

/** Null where issuer and audience are Coinbase's. */
export function issuerFault(claims: Members): Malformed | null {
  const issuer = stringMember(claims, 'iss') ?? '';
  const audiences = Object.hasOwn(AUDIENCES, issuer) ? AUDIENCES[issuer] : undefined;
  if (audiences === undefined) return malformed('iss is neither cdp nor coinbase-cloud');
  const named = listOf(claims, 'aud');
  if (named === null) return malformed('aud is no text, nor a list of texts');
  return named.every((audience) => audiences.includes(audience)) ? null : malformed('aud is of something else');
}

/** Null where the token is for this method at this host and path. The query is no part of it. */
export function uriFault(claims: Members, request: ReceivedRequest, settings: CoinbaseCdpSettings): Malformed | null {
  const uri = claims.has('uri') ? stringMember(claims, 'uri') : undefined;
  const uris = listOf(claims, 'uris');
  const only =
    uri !== undefined && !claims.has('uris') ? uri : uri === undefined && uris?.length === 1 ? uris[0] : null;
  // More than one would be good for any of them, and only the first use would be the one that was meant.
  if (only === null || only === undefined) return malformed('the token does not name one uri');
  const target = splitTarget(request.target);
  const hosts = valuesOf(request, 'host');
  // RFC 9112 §3.2.2: an absolute target stands above Host. Where they differ, somebody behind us may think otherwise.
  const authorities = new Set([...hosts, ...(target?.authority == null ? [] : [target.authority])].map(lower));
  if (target === null || hosts.length > 1 || authorities.size > 1)
    return malformed('target or Host is not as HTTP has it');
  const host = settings.host ?? [...authorities][0];
  const [method, address = ''] = only.split(' ', 2);
  const slash = address.indexOf('/');
  const isIt =
    host !== undefined &&
    only.split(' ').length === 2 &&
    method === request.method &&
    plain(address.slice(0, slash), request) === plain(host, request) &&
    address.slice(slash) === target.path;
  return isIt ? null : malformed('the token is for another method, host or path');
}

/** RFC 7519 §4.1.4: not good any more at `exp` itself. */
export function freshnessOf(claims: Members): Freshness | Malformed {
  const [nbf, exp] = ['nbf', 'exp'].map((name) => secondsOf(claims.get(name)));
  if (nbf == null || exp == null) return malformed('nbf or exp is missing, or no whole number of seconds');
  if (exp <= nbf || exp - nbf > LONGEST_SECONDS)
    return malformed(`the token is not good for 1 to ${LONGEST_SECONDS} s`);
  return { signedAt: nbf * 1000, after: nbf * 1000 - CLOCK_AHEAD_MS, until: exp * 1000 - 1 };
}

function secondsOf(text: string | undefined): number | null {
  return text !== undefined && /^[1-9]\d{0,10}$/.test(text) ? Number(text) : null;
}

/** A text or a list of texts, as a list; empty where it is missing, null where it is something else. */
function listOf(members: Members, name: string): readonly string[] | null {
  const text = members.get(name);
  if (text === undefined) return [];
  const value: unknown = JSON.parse(text);
  const list = Array.isArray(value) ? (value as unknown[]) : [value];
  return list.every((item) => typeof item === 'string') ? list : null;
}

function lower(text: string): string {
  return text.toLowerCase();
}

/** Without case and without the port that goes without saying (RFC 3986 §3.2.2, §3.2.3). */
function plain(authority: string, { scheme }: ReceivedRequest): string {
  return lower(authority).replace(scheme === 'https' ? /:443$/ : /:80$/, '');
}
