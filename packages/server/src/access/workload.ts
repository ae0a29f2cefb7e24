import type { Workload } from '@keyhold/protocol/operations/workloads';
import type { Scope } from '@keyhold/protocol/state';
import type { WorkloadRow } from '../database/workload-rows.ts';
import { type PlaceNames, showBinding } from './token.ts';

/** What an issuer says of whoever comes, once it is known that he says so. */
export type Claims = Readonly<Record<string, unknown>>;

export function showWorkload(row: WorkloadRow, names: PlaceNames): Workload {
  const { id, name, issuer, jwks_uri: jwksUri, ttl_seconds: ttlSeconds, state } = row;
  return {
    ...{ id, name, issuer, audience: row.audience || null, jwksUri, ttlSeconds, state },
    claims: JSON.parse(row.claims) as Record<string, string>,
    scopes: JSON.parse(row.scopes) as Scope[],
    ...showBinding(row, names),
    createdAt: new Date(row.created_at).toISOString(),
  };
}

/**
 * Whether a token says all that it has to. A claim that is a list has to have the text in it; one that is neither text
 * nor a list of texts says nothing.
 */
export function claimsMatch(wanted: Readonly<Record<string, string>>, said: Claims, separators = ':'): boolean {
  return Object.entries(wanted).every(([name, pattern]) => {
    const value = Object.hasOwn(said, name) ? said[name] : undefined;
    const values: unknown[] = Array.isArray(value) ? value : [value];
    return values.some((one) => typeof one === 'string' && isLike(pattern, one, separators));
  });
}

/**
 * `*` is any text without a separator: claims are parts with such between them (`repo:acme/bot:ref:refs/heads/main`), and
 * whoever chooses the name of one part must not reach into the next.
 * @param separators one character each
 */
export function isLike(pattern: string, text: string, separators = ':'): boolean {
  const [first = '', ...rest] = pattern.split('*');
  if (rest.length === 0) return pattern === text;
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const [i, part] of rest.entries()) {
    const isLast = i === rest.length - 1;
    const found = isLast ? Math.max(at, text.length - part.length) : text.indexOf(part, at);
    if (found < 0 || !text.startsWith(part, found) || reaches(text.slice(at, found), separators)) return false;
    at = found + part.length;
  }
  return at === text.length;
}

function reaches(text: string, separators: string): boolean {
  return [...separators].some((separator) => text.includes(separator));
}

/** Why keys can't be asked for at such an address, or null. */
export function addressProblem(address: string): string | null {
  const url = URL.parse(address);
  if (url === null || url.hash !== '' || url.username !== '' || url.password !== '') return 'This is no address.';
  const isLocal = url.hostname === 'localhost' || url.hostname === '127.0.0.1' || url.hostname === '[::1]';
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLocal) ? null : 'Keys are asked for by https.';
}
