import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import { EnvelopeBroken, openEnvelope } from '@keyhold/verifier/open-envelope';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { SignOnRow } from '../../database/sign-on-rows.ts';
import type { OpenIdParty } from '../../http/openid.ts';
import { setSessionCookie } from '../../http/session-cookie.ts';
import { readCheckedRows } from '../../ledger/checked-rows.ts';
import { expose } from '../../vault/expose.ts';
import { keyById } from '../../vault/open-vault-key.ts';
import { placeIn, SEALED, type Vault } from '../../vault/vault.ts';
import { noteFailure, refuseLocked } from '../sign-in/sign-in.ts';
import { networkOf } from '../sign-in/throttle.ts';
import { redirectUriOf, signOnPath } from './sign-on.ts';
import type { SignOnRoutes } from './sign-on.routes.ts';
import { findSignOn } from './sign-ons.store.ts';
import { NOBODY, takeSignOn } from './take-sign-on.ts';

const COOKIE = '__Host-keyhold-sign-on';
/** Sent along when a provider's page comes back to ours, and with nothing else of another site. */
const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Lax';

/** Where a browser goes to sign in at a provider, and where it comes back to. */
export function mountSignOnPages(app: FastifyInstance, routes: SignOnRoutes): void {
  const { signIn, openId, underWay } = routes;
  type Named = { Params: { name: string } };
  const hidden = { schema: { hide: true } as object };

  app.get<Named>(`${signOnPath(':name')}`, hidden, async (request, reply) => {
    const party = refuseLocked(signIn, request.ip) ?? (await openParty(routes, request.params.name));
    if (isRefusal(party)) return back(reply, party);
    const checks = openId.newChecks();
    try {
      const to = await openId.addressOf(party.party, redirectUriOf(signIn.site().origin, party.row.name), checks);
      const cookie = underWay.begin(party.row.id, checks);
      reply.header('set-cookie', `${COOKIE}=${cookie}; ${ATTRIBUTES}; Max-Age=600`);
      return quiet(reply).redirect(to.href);
    } catch (error) {
      request.log.warn({ signOn: party.row.name, reason: reasonOf(error) }, 'a provider could not be asked');
      return back(reply, UNREACHABLE);
    }
  });

  app.get<Named>(`${signOnPath(':name')}/callback`, hidden, async (request, reply) => {
    const began = await comeBack(routes, request, request.params.name);
    if (isRefusal(began)) return back(reply, began);
    setSessionCookie(reply, expose(began.secret));
    reply.header('set-cookie', `${COOKIE}=; ${ATTRIBUTES}; Max-Age=0`);
    return quiet(reply).redirect('/account');
  });
}

async function comeBack(routes: SignOnRoutes, request: FastifyRequest, name: string) {
  const { signIn, openId, underWay } = routes;
  const { ip } = request;
  const known = refuseLocked(signIn, ip) ?? (await openParty(routes, name));
  if (isRefusal(known)) return known;
  const { party, row } = known;
  const address = new URL(redirectUriOf(signIn.site().origin, name));
  address.search = new URL(request.url, address).search;
  const checks = underWay.take(row.id, address.searchParams.get('state') ?? '', cookieOf(request));
  // Not counted: a page of another can send a browser here, and there is nothing to guess.
  if (checks === null) return NOBODY;
  try {
    const claims = await openId.claimsOf(party, address, checks, row.groups_claim);
    const began = await takeSignOn(signIn, ip, row, claims);
    if (isRefusal(began)) return await failed(routes, ip);
    signIn.throttle.succeeded(networkOf(ip));
    return began;
  } catch (error) {
    request.log.warn({ signOn: name, reason: reasonOf(error) }, 'a sign-in at a provider was refused');
    return await failed(routes, ip);
  }
}

async function failed({ signIn }: SignOnRoutes, ip: string): Promise<Refusal> {
  await noteFailure(signIn, ip);
  return NOBODY;
}

const UNREACHABLE = refuse('SIGN_IN_REFUSED', 'The provider cannot be asked.');

/** Codes and classes alone: what a provider answers may hold more than a log should. */
function reasonOf(error: unknown): string {
  const { name, code } = error as { readonly name?: string; readonly code?: string };
  return `${name ?? 'Error'} ${code ?? ''}`.trim();
}

/** A provider as the ledger recorded it, with what we show it of ourselves. */
async function openParty(
  { signIn, vault }: SignOnRoutes,
  name: string,
): Promise<{ party: OpenIdParty; row: SignOnRow } | Refusal> {
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
