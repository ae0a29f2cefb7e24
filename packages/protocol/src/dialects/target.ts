import type { ReceivedRequest } from './dialect.ts';

/**
 * A host as a text for expressions, without user information and percents (RFC 9110 §4.2.4): what else RFC 3986 §3.2.2
 * allows ends the host for one reader and not for the next, and the path begins elsewhere then.
 */
export const HOST = '[a-z0-9._-]{1,255}|\\[[0-9a-f:.]{2,45}\\]';

const ABSOLUTE = new RegExp(`^https?://((?:${HOST})(?::[0-9]{1,5})?)(?=/)`, 'i');

/** The parts of a request target, as they stand in it. */
export interface Target {
  /** `host:port` of an absolute target, null of any other. */
  readonly authority: string | null;
  /** From its first `/` on. */
  readonly path: string;
  /** What stands after the first `?`; null where there is none. */
  readonly query: string | null;
}

/**
 * Splits a target (RFC 9112 §3.2.1, §3.2.2); null where it is of another form, or has what no target can have
 * (RFC 3986 §2): one runtime would hand it on as it is, another encode it.
 */
export function splitTarget(target: string): Target | null {
  if (!/^[\x21-\x7e]+$/.test(target) || target.includes('#')) return null;
  const absolute = ABSOLUTE.exec(target);
  if (absolute === null && !target.startsWith('/')) return null;
  const rest = absolute === null ? target : target.slice(absolute[0].length);
  const mark = rest.indexOf('?');
  return {
    authority: absolute?.[1] ?? null,
    path: mark < 0 ? rest : rest.slice(0, mark),
    query: mark < 0 ? null : rest.slice(mark + 1),
  };
}

/** Path, and query with its mark, as one text. */
export function pathAndQuery({ path, query }: Target): string {
  return query === null ? path : `${path}?${query}`;
}

/**
 * Where target and body are signed with nothing between them, `/orders?id=7` without a body and `/orders` with the
 * body `?id=7` are one text, and the second may mean all orders. INVARIANT: a body begins with the brace or bracket of
 * JSON, and no target has one, so that the text itself says where the body begins.
 */
export function isBodyApart(target: Target, body: Uint8Array): boolean {
  return !/[{[]/.test(pathAndQuery(target)) && (body.length === 0 || isJsonStart(body[0]));
}

/** `{` or `[`. */
export function isJsonStart(byte: number | undefined): boolean {
  return byte === 0x7b || byte === 0x5b;
}

/** Those whose requests have no body that means anything (RFC 9110 §9.3). */
export function isBodiless({ method }: Pick<ReceivedRequest, 'method'>): boolean {
  return method === 'GET' || method === 'HEAD';
}
