import {
  type Dialect,
  isMalformed,
  type OutgoingRequest,
  type ReceivedRequest,
  type SignatureAlgorithm,
  type SigningContext,
  type SigningTask,
} from './dialect.ts';
import { hasField } from './fields.ts';
import type { DialectSettings } from './settings.ts';

const SIGNATURE_BYTES: Readonly<Record<SignatureAlgorithm, number>> = {
  'hmac-sha256': 32,
  'hmac-sha512': 64,
  ed25519: 64,
  'ecdsa-p256-sha256': 64,
  'rsa-pss-sha512': 256,
  'rsa-v1_5-sha256': 256,
};

/**
 * The task of signing what `draft` makes. INVARIANT: the base is read from that very request by the code that will
 * verify it, so that the two sides cannot differ; what could not be read is said before anything is signed.
 * @param draft the request with this signature in its place
 * @throws TypeError where a request like this cannot be signed in the dialect
 */
export function taskOf<S extends DialectSettings>(
  dialect: Pick<Dialect<S>, 'name' | 'read'>,
  settings: S,
  { algorithm }: SigningContext,
  draft: (signature: Uint8Array) => OutgoingRequest,
): SigningTask {
  const claim = dialect.read(asReceived(draft(new Uint8Array(SIGNATURE_BYTES[algorithm]))), settings);
  if (isMalformed(claim)) throw new TypeError(`${dialect.name}: ${claim.malformed}`);
  if (!claim.algorithms.includes(algorithm)) throw new TypeError(`${dialect.name} does not sign with ${algorithm}`);
  const { base, secretEncoding, ecdsaEncoding } = claim;
  const task = { base, secretEncoding, attach: draft };
  return ecdsaEncoding === undefined ? task : { ...task, ecdsaEncoding };
}

/** The request as a server receives it over HTTP/1.1. */
export function asReceived({ method, url, headers, body }: OutgoingRequest): ReceivedRequest {
  const { scheme, authority, target } = splitUrl(url);
  const withHost = { method, target, scheme, headers, body };
  return hasField(withHost, 'host') ? withHost : { ...withHost, headers: [['host', authority], ...headers] };
}

/**
 * The parts of an absolute URL, as they stand in it: a URL parser would write some of them anew.
 * @throws TypeError where it is not `http` or `https`, or has user information
 */
export function splitUrl(url: string): { scheme: 'https' | 'http'; authority: string; target: string } {
  const match = /^(https?):\/\/([^/?#@\s]+)([^#\s]*)(?:#\S*)?$/i.exec(url);
  if (match === null) throw new TypeError(`cannot sign a request to ${JSON.stringify(url)}`);
  const [, scheme = '', authority = '', rest = ''] = match;
  return {
    scheme: scheme.toLowerCase() as 'https' | 'http',
    authority,
    target: rest.startsWith('/') ? rest : `/${rest}`,
  };
}

/** The URL with this query, or with none where it is empty. */
export function withQuery(url: string, query: string): string {
  const { scheme, authority, target } = splitUrl(url);
  const path = target.split('?', 1)[0] ?? '';
  return `${scheme}://${authority}${path}${query === '' ? '' : `?${query}`}`;
}

/** Query of the URL, as it stands; empty where it has none. */
export function queryOf(url: string): string {
  const { target } = splitUrl(url);
  const mark = target.indexOf('?');
  return mark < 0 ? '' : target.slice(mark + 1);
}
