import type { Malformed, ReceivedRequest } from '../dialect.ts';
import { type Fields, unfold } from './fields.ts';
import { malformed } from './malformed.ts';
import { HOST } from '../target.ts';

const AUTHORITY = new RegExp(`^(${HOST})(?::([1-9][0-9]{0,4})?)?$`, 'i');

/** What a request is for (RFC 9110 §7.1), read from its target and Host field, nothing decoded. */
export interface RequestTarget {
  /** As on the request line. */
  readonly written: string;
  /** Normalised: lower case, without the scheme's own port (RFC 9110 §4.2.3). */
  readonly authority: string | Malformed;
  /** Null for `*` and for CONNECT, which have none. */
  readonly path: string | null;
  /** With its `?`; empty where there is none. */
  readonly query: string;
  readonly uri: string | Malformed;
}

type Scheme = ReceivedRequest['scheme'];

const NO_URI = malformed('the target of a CONNECT request has no URI');

/** @throws never: what cannot be read is a `Malformed`, in whole or in part */
export function readTarget(request: ReceivedRequest, headers: Fields): RequestTarget | Malformed {
  const { target, scheme, method } = request;
  // Visible ASCII, no fragment (RFC 9112 §3.2): whoever comes after us may read other bytes in another way.
  if (!/^[\x21\x22\x24-\x7e]+$/.test(target)) return malformed('the request target has characters that none has');
  if (method === 'CONNECT') return { written: target, authority: NO_URI, path: null, query: '', uri: NO_URI };
  const host = readHost(headers, scheme);
  if (target === '*') {
    if (method !== 'OPTIONS') return malformed('the target * is for OPTIONS (RFC 9112 §3.2.4)');
    return { written: target, authority: host, path: null, query: '', uri: uriOf(scheme, host, '') };
  }
  if (target.startsWith('/')) {
    return { written: target, authority: host, ...split(target), uri: uriOf(scheme, host, target) };
  }
  return readAbsolute(target, scheme, host);
}

/** Absolute-form (RFC 9112 §3.2.2). Host must say the same, or two readers could take two requests from one. */
function readAbsolute(target: string, scheme: Scheme, host: string | Malformed): RequestTarget | Malformed {
  const match = /^(https?):\/\/([^/?]*)([^?]*)(.*)$/i.exec(target);
  if (match === null) return malformed('the request target is in none of its forms (RFC 9112 §3.2)');
  const [, written = '', named = '', path = '', query = ''] = match;
  if (written.toLowerCase() !== scheme)
    return malformed('the scheme of the request target is not that of the connection');
  const authority = normalAuthority(named, scheme);
  if (authority === null) return malformed('the request target has no authority of a web server');
  if (authority !== host) return malformed('the request target and the Host field name two hosts, or Host is missing');
  const rest = { path: path === '' ? '/' : path, query };
  return { written: target, authority, ...rest, uri: uriOf(scheme, authority, rest.path + query) };
}

function split(target: string): { path: string; query: string } {
  const at = target.indexOf('?');
  return at < 0 ? { path: target, query: '' } : { path: target.slice(0, at), query: target.slice(at) };
}

function uriOf(scheme: Scheme, authority: string | Malformed, rest: string): string | Malformed {
  return typeof authority === 'string' ? `${scheme}://${authority}${rest}` : authority;
}

/** RFC 9112 §3.2: one Host field, in HTTP/1.1 always. */
function readHost(headers: Fields, scheme: Scheme): string | Malformed {
  const [value, ...others] = headers.values('host');
  if (value === undefined) return malformed('there is no Host field');
  if (others.length > 0) return malformed('there is more than one Host field');
  return normalAuthority(unfold(value) ?? '', scheme) ?? malformed('the Host field names no host');
}

/** RFC 9110 §4.2.3. No user information (§4.2.4), no percent-encoding: names that have one are not hosts in the DNS. */
function normalAuthority(written: string, scheme: Scheme): string | null {
  const match = AUTHORITY.exec(written);
  if (match?.[1] === undefined) return null;
  const port = match[2];
  const plain = port === undefined || port === (scheme === 'https' ? '443' : '80');
  return match[1].toLowerCase() + (plain ? '' : `:${port}`);
}
