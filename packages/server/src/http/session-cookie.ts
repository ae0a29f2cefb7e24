import type { FastifyReply, FastifyRequest } from 'fastify';

/** The prefix makes browsers insist on `Secure` and `Path=/`, and on no `Domain` (RFC 6265bis §4.1.3.2). */
export const SESSION_COOKIE = '__Host-keyhold-session';
const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Strict';

/** What the cookie holds; null where there is none, or more than one. */
export function sessionCookieOf({ headers }: FastifyRequest): string | null {
  const pairs = (headers.cookie ?? '').split(';').map((pair) => pair.trim());
  const own = pairs.filter((pair) => pair.startsWith(`${SESSION_COOKIE}=`));
  return own.length === 1 ? (own[0] as string).slice(SESSION_COOKIE.length + 1) : null;
}

/** It ends with the browser, or when we say so; null: now. */
export function setSessionCookie(reply: FastifyReply, secret: string | null): void {
  reply.header('set-cookie', `${SESSION_COOKIE}=${secret ?? ''}; ${ATTRIBUTES}${secret === null ? '; Max-Age=0' : ''}`);
}
