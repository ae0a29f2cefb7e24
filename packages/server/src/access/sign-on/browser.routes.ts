import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import { EnvelopeBroken, openEnvelope } from '@keyhold/verifier/open-envelope';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { SignOnRow } from '../../database/sign-on-rows.ts';
import { type OpenIdParty, OpenIdRefused } from '../../http/openid.ts';
import { sessionCookieOf, setSessionCookie } from '../../http/session-cookie.ts';
import { readCheckedRows } from '../../ledger/checked-rows.ts';
import { expose } from '../../vault/expose.ts';
import { keyById } from '../../vault/open-vault-key.ts';
import { placeIn, SEALED, type Vault } from '../../vault/vault.ts';
import { authenticateSession } from '../sign-in/authenticate-session.ts';
import { type Began, noteFailure, refuseLocked } from '../sign-in/sign-in.ts';
import { networkOf } from '../sign-in/throttle.ts';
import { linkIdentity } from './link-identity.ts';
import { FRESHLY, isFresh, redirectUriOf, type SignOnClaims, signOnPath } from './sign-on.ts';
import type { SignOnRoutes } from './sign-on.routes.ts';
import { findSignOn } from './sign-ons.store.ts';
import { NOBODY, takeSignOn } from './take-sign-on.ts';

const COOKIE = '__Host-keyhold-sign-on';
/** Sent along when a provider's page comes back to ours, and with nothing else of another site. */
const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Lax';

type Named = { Params: { name: string }; Querystring: Readonly<Record<string, unknown>> };

/** Where a browser goes to sign in at a provider, and where it comes back to. */
export function mountSignOnPages(app: FastifyInstance, routes: SignOnRoutes): void {
  const hidden = { schema: { hide: true } as object };

  app.get<Named>(`${signOnPath(':name')}`, hidden, async (request, reply) => {
    const party = refuseLocked(routes.signIn, request.ip) ?? (await openParty(routes, request.params.name));
    if (isRefusal(party)) return back(reply, party);
    try {
      const session = await sessionOf(routes, request);
      const sent = await send(routes, party, { ip: request.ip, session }, request.query);
      if (isRefusal(sent)) return back(reply, sent);
      reply.header('set-cookie', `${COOKIE}=${sent.cookie}; ${ATTRIBUTES}; Max-Age=600`);
      return quiet(reply).redirect(sent.to.href);
    } catch (error) {
      return back(reply, unreachable(routes, party.row.name, error));
    }
  });

  app.get<Named>(`${signOnPath(':name')}/callback`, hidden, async (request, reply) => {
    const began = await comeBack(routes, request, request.params.name);
    if (isRefusal(began)) return back(reply, began);
    if (began !== LINKED) setSessionCookie(reply, expose(began.secret));
    reply.header('set-cookie', `${COOKIE}=; ${ATTRIBUTES}; Max-Age=0`);
    return quiet(reply).redirect('/account');
  });
}

/** Whose browser it is, where it says so. */
async function sessionOf({ signIn }: SignOnRoutes, request: FastifyRequest): Promise<string | null> {
  const cookie = sessionCookieOf(request);
  const found = cookie === null ? null : await authenticateSession(signIn, cookie, 'browser', request.ip);
  return found?.session.id ?? null;
}

const LINKED = Symbol('linked');

interface OpenParty {
  readonly party: OpenIdParty;
  readonly row: SignOnRow;
}

/** @param asked `link`: what a page was given to link its person by; `fresh`: to show anew who he is */
async function send(
  { signIn, openId, underWay }: SignOnRoutes,
  { party, row }: OpenParty,
  { ip, session }: { readonly ip: string; readonly session: string | null },
  asked: Readonly<Record<string, unknown>>,
): Promise<{ to: URL; cookie: string } | Refusal> {
  const link = typeof asked['link'] === 'string' ? underWay.takeTicket(row.id, asked['link']) : null;
  if (asked['link'] !== undefined && link === null) return NOBODY;
  // Only the browser that asked: who follows somebody else's link would else become him to the provider.
  if (link !== null && session !== link.session) return NOBODY;
  const checks = { ...openId.newChecks(), ...(asked['fresh'] === undefined ? {} : FRESHLY) };
  const to = await openId.addressOf(party, redirectUriOf(signIn.site().origin, row.name), checks);
  return { to, cookie: underWay.begin(row.id, networkOf(ip), { checks, link }) };
}

async function comeBack(
  routes: SignOnRoutes,
  request: FastifyRequest,
  name: string,
): Promise<Began | typeof LINKED | Refusal> {
  const { signIn, openId, underWay } = routes;
  const { ip } = request;
  const known = refuseLocked(signIn, ip) ?? (await openParty(routes, name));
  if (isRefusal(known)) return known;
  const { party, row } = known;
  const address = new URL(redirectUriOf(signIn.site().origin, name));
  address.search = new URL(request.url, address).search;
  const held = underWay.take(row.id, address.searchParams.get('state') ?? '', cookieOf(request));
  // Not counted: a page of another can send a browser here, and there is nothing to guess.
  if (held === null) return NOBODY;
  const claims = await claimsOf(routes, () => openId.claimsOf(party, address, held.checks, row.groups_claim), row, ip);
  if (isRefusal(claims)) return claims;
  if (held.link !== null) {
    const linked = await linkIdentity(signIn, ip, row, claims, held.link);
    return isRefusal(linked) ? linked : LINKED;
  }
  const began = await takeSignOn(signIn, ip, row, claims);
  if (isRefusal(began)) return began.refused === NOBODY.refused ? await failed(routes, ip) : began;
  signIn.throttle.succeeded(networkOf(ip));
  if (isFresh(claims, signIn.clock.wall())) signIn.fresh.note(began.session.id);
  return began;
}

/** What was answered and is wrong counts; that nobody answered, or that somebody cancelled, does not. */
async function claimsOf(
  routes: SignOnRoutes,
  ask: () => Promise<SignOnClaims>,
  { name }: SignOnRow,
  ip: string,
): Promise<SignOnClaims | Refusal> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof OpenIdRefused)) return unreachable(routes, name, error);
    routes.signOnFailed(name, error.message);
    return await failed(routes, ip);
  }
}

async function failed({ signIn }: SignOnRoutes, ip: string): Promise<Refusal> {
  await noteFailure(signIn, ip);
  return NOBODY;
}

/** Codes and classes alone are told: what a provider answers may hold more than a log should. */
function unreachable({ signOnFailed }: SignOnRoutes, signOn: string, error: unknown): Refusal {
  const { name, code } = error as { readonly name?: string; readonly code?: string };
  signOnFailed(signOn, `${name ?? 'Error'} ${code ?? ''}`.trim());
  return UNREACHABLE;
}

const UNREACHABLE = refuse('STORE_UNAVAILABLE', 'The provider cannot be asked.');

/** A provider as the ledger recorded it, with what we show it of ourselves. */
async function openParty({ signIn, vault }: SignOnRoutes, name: string): Promise<OpenParty | Refusal> {
  const found = await findSignOn(signIn.reader, name);
  const [checked] = found === undefined ? [] : await readCheckedRows(signIn.reader, ['sign_ons'], [found.id]);
  if (checked === undefined) return NOBODY;
  if ('tampered' in checked) {
    signIn.tampered(checked.tampered);
    return NOBODY;
  }
  const row = checked.row as SignOnRow;
  const clientSecret = await openSecret(vault, row);
  if (isRefusal(clientSecret)) return clientSecret;
  return { party: { issuer: row.issuer, clientId: row.client_id, clientSecret }, row };
}

async function openSecret(vault: Vault, row: SignOnRow): Promise<string | null | Refusal> {
  if (row.envelope === null || row.vault_key_id === null) return null;
  if (vault.keyring.sealed) return SEALED;
  const key = await keyById(vault, row.vault_key_id);
  if (isRefusal(key)) return key;
  const place = placeIn(vault, 'sign-on.secret', row, row.id, 1);
  try {
    return openEnvelope(key, row.envelope, place).toString('utf8');
  } catch (error) {
    if (!(error instanceof EnvelopeBroken)) throw error;
    vault.broken(place, error.message);
    return NOBODY;
  }
}

function cookieOf({ headers }: FastifyRequest): string {
  const own = (headers.cookie ?? '').split(';').filter((pair) => pair.trim().startsWith(`${COOKIE}=`));
  return own.length === 1 ? (own[0] as string).trim().slice(COOKIE.length + 1) : '';
}

/** The page of sign-in says what it is about. */
function back(reply: FastifyReply, { refused }: Refusal): FastifyReply {
  return quiet(reply).redirect(`/sign-in#${refused}`);
}

/** What is in these addresses is nobody else's. */
function quiet(reply: FastifyReply): FastifyReply {
  return reply.header('cache-control', 'no-store').header('referrer-policy', 'no-referrer');
}
