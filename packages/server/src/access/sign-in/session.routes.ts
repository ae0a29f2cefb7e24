import type { RegistrationResponseJSON } from '@simplewebauthn/server';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { PersonPasskey } from '@keyhold/protocol/operations/sign-in';
import * as operations from '@keyhold/protocol/operations/sign-in';
import type { FastifyInstance } from 'fastify';
import type { PersonPasskeyRow, PersonRow, SessionRow } from '../../database/people-rows.ts';
import { type Gate, mount } from '../../http/mount.ts';
import { expose } from '../../vault/expose.ts';
import { findPerson } from '../people/people.store.ts';
import { bindingOf, isInForce, showGrant } from '../people/person.ts';
import type { Principal } from '../principal.ts';
import type { TokenPlaces } from '../token.ts';
import { asRecorded } from './authenticate-session.ts';
import { DEVICE_CODE_SECONDS } from './device-codes.ts';
import { confirmPending } from './confirm-request.ts';
import { endSession } from './end-session.ts';
import { addPasskey, mayAddFirst, optionsForPasskey, removePasskey } from './change-passkeys.ts';
import { findPasswordOf } from '../passwords/confirm-by-code.ts';
import { recoveryOf } from '../passwords/password.ts';
import { signOnPath } from '../sign-on/sign-on.ts';
import { identitiesOf, listSignOns } from '../sign-on/sign-ons.store.ts';
import type { PendingRequest } from './pending-requests.ts';
import { showSession, worthOf } from './session.ts';
import { type PasskeyUse, passkeysOf, passkeyUses, readRoles, sessionsOf, usesOf } from './sessions.store.ts';
import type { SignInContext } from './sign-in-context.ts';

export interface SessionRoutes {
  readonly gate: Gate<Principal>;
  readonly signIn: SignInContext;
  readonly places: TokenPlaces;
}

/** Who is signed in, and with what. */
export function mountSelf(app: FastifyInstance, { gate, signIn: context, places }: SessionRoutes): void {
  const { reader, clock } = context;

  mount(app, gate, operations.getSession, async ({ principal }) => {
    const self = await selfOf(context, principal);
    if (isRefusal(self)) return self;
    const { person, session } = self;
    const held = (await readRoles(reader, person.id)).flatMap((read) => asRecorded(context, read) ?? []);
    const roles = held.filter((role) => isInForce(role, clock.wall()));
    const names = await places.names(roles.map(bindingOf));
    const passkeys = await passkeysOf(reader, person.id);
    const used = await passkeyUses(
      reader,
      passkeys.map(({ id }) => id),
    );
    const begun = await sessionsOf(reader, person.id);
    const uses = await usesOf(
      reader,
      begun.map(({ id }) => id),
    );
    const isAlive = (row: SessionRow) =>
      worthOf(row, row.digest, uses.get(row.id)?.at ?? null, clock.wall()) === 'good';
    const sessions = begun.filter(isAlive);
    return {
      body: {
        person: { id: person.id, name: person.name },
        roles: roles.map((role) => showGrant(role, names)),
        passkeys: passkeys.map((row) => showPasskey(row, used.get(row.id))),
        sessions: sessions.map((row) => showSession(row, uses.get(row.id), row.id === session)),
        providers: await providersOf(context, person.id, sessions.find(({ id }) => id === session)?.passkey_id),
        firstPasskey: await mayAddFirst(context, principal),
        password: await ownPassword(context, person.id, session),
        rpId: context.site().rpId,
      },
    };
  });
}

/** What people who signed in do with what is their own. */
export function mountSession(app: FastifyInstance, { gate, signIn: context }: Omit<SessionRoutes, 'places'>): void {
  const { reader } = context;

  mount(app, gate, operations.signOut, async ({ principal, ip, idempotency }) => {
    if (principal.session === undefined) return NO_PERSON;
    const ended = await endSession(context, { principal, ip, idempotency }, principal.session.id);
    return isRefusal(ended) ? ended : { body: {}, session: null, sequence: ended.sequence };
  });

  mount(app, gate, operations.endSession, async ({ principal, params, ip, idempotency }) => {
    if (principal.session === undefined) return NO_PERSON;
    const ended = await endSession(context, { principal, ip, idempotency }, params.id);
    return isRefusal(ended) ? ended : { body: {}, sequence: ended.sequence };
  });

  mount(app, gate, operations.askForPasskey, async ({ principal }) => {
    const self = await selfOf(context, principal);
    return isRefusal(self) ? self : { body: { options: await optionsForPasskey(context, self.person) } };
  });

  mount(app, gate, operations.addPasskey, async ({ principal, body, ip, idempotency, confirm }) => {
    if (principal.session === undefined) return NO_PERSON;
    const isFirst = await mayAddFirst(context, principal);
    const unconfirmed = isFirst ? null : await confirm();
    if (unconfirmed !== null) return unconfirmed;
    const response = { clientExtensionResults: {}, ...body.response } as RegistrationResponseJSON;
    const added = await addPasskey(context, { principal, ip, idempotency }, { name: body.name, response }, isFirst);
    if (isRefusal(added)) return added;
    return { body: { passkey: showPasskey(added.value, undefined) }, sequence: added.sequence };
  });

  mount(app, gate, operations.removePasskey, async ({ principal, params, ip, idempotency, confirm }) => {
    if (principal.session === undefined) return NO_PERSON;
    const unconfirmed = await confirm();
    if (unconfirmed !== null) return unconfirmed;
    const removed = await removePasskey(context, { principal, ip, idempotency }, params.id);
    return isRefusal(removed) ? removed : { body: removed.value, sequence: removed.sequence };
  });

  mount(app, gate, operations.makeDeviceCode, async ({ principal, confirm }) => {
    const { session } = principal;
    if (session === undefined) return NO_PERSON;
    const unconfirmed = await confirm();
    if (unconfirmed !== null) return unconfirmed;
    const row = (await sessionsOf(reader, principal.id)).find(({ id }) => id === session.id);
    if (row === undefined) return refuse('UNAUTHENTICATED', 'Sign in.');
    const code = context.deviceCodes.make({ person: principal.id, passkey: row.passkey_id, session: row.id });
    return { body: { secret: expose(code), expiresInSeconds: DEVICE_CODE_SECONDS } };
  });
}

/** What command lines asked for, and their person confirms in his browser. */
export function mountPending(app: FastifyInstance, { gate, signIn: context }: Omit<SessionRoutes, 'places'>): void {
  const { pending } = context;

  mount(app, gate, operations.listPending, async ({ principal }) => {
    if (principal.session?.kind !== 'browser') return NO_PERSON;
    const items = pending.list(principal.id).map(showPending);
    return { body: { items } };
  });

  mount(app, gate, operations.confirmPending, async ({ principal, params, body, ip }) => {
    if (principal.session?.kind !== 'browser') return NO_PERSON;
    const held = pending.find(principal.id, params.id);
    if (held === undefined) return nothingPending(params.id);
    return (await confirmPending(context, principal, held, ip, body)) ?? { body: {} };
  });

  mount(app, gate, operations.discardPending, async ({ principal, params }) => {
    if (principal.session?.kind !== 'browser') return NO_PERSON;
    if (pending.find(principal.id, params.id) === undefined) return nothingPending(params.id);
    pending.discard(params.id);
    return { body: {} };
  });
}

async function ownPassword(context: SignInContext, person: string, session: string) {
  const known = await findPasswordOf(context, person);
  if (known === undefined) return null;
  const recoveryCodes = recoveryOf(known).length;
  return { login: known.login ?? '', recoveryCodes, replacesApp: context.recoveries.has(session) };
}

function nothingPending(id: string): Refusal {
  return refuse('NOTHING_PENDING', `Nothing of yours waits as ${id}.`, 'id');
}

function showPending({ id, method, target, body, session, from, askedAt }: PendingRequest): operations.Pending {
  return { id, method, target, body, session, from, askedAt: new Date(askedAt).toISOString() };
}

async function providersOf({ reader }: SignInContext, person: string, way: string | undefined) {
  const known = await identitiesOf(reader, person);
  return (await listSignOns(reader)).map(({ id, name }) => {
    const own = known.find((identity) => identity.sign_on_id === id);
    return { name, path: signOnPath(name), linked: own !== undefined, began: own !== undefined && own.id === way };
  });
}

const NO_PERSON = refuse('FORBIDDEN', 'This is for people who signed in; a token is none.');

async function selfOf(
  { reader }: SignInContext,
  { id, session }: Principal,
): Promise<{ person: PersonRow; session: string } | Refusal> {
  const person = session === undefined ? undefined : await findPerson(reader, id);
  return person === undefined || session === undefined ? NO_PERSON : { person, session: session.id };
}

function showPasskey(
  { id, name, credential_id: credentialId, created_at }: PersonPasskeyRow,
  use: PasskeyUse | undefined,
): PersonPasskey {
  const lastUsedAt = use === undefined ? null : new Date(use.lastUsedAt).toISOString();
  return { id, name, credentialId, createdAt: new Date(created_at).toISOString(), lastUsedAt };
}
