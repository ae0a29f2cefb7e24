import type { AuthenticationResponseJSON, RegistrationResponseJSON } from '@simplewebauthn/server';
import { generateAuthenticationOptions } from '@simplewebauthn/server';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import * as operations from '@keyhold/protocol/operations/sign-in';
import type { FastifyInstance } from 'fastify';
import { ANYBODY, type Gate, mount } from '../../http/mount.ts';
import { expose } from '../../vault/expose.ts';
import type { Principal } from '../principal.ts';
import { offeredBy } from '../passwords/passwords.store.ts';
import { offerTotp } from '../passwords/totp-secret.ts';
import { creationOptions, enrol, type Enrolling, purposeOf } from './enrol.ts';
import { ELSEWHERE, enrollingGate, isForeign } from './enrolling-gate.routes.ts';
import { showBegan } from './session.ts';
import { refuseLocked, signIn, signInDevice, TO_SIGN_IN } from './sign-in.ts';
import type { SignInContext } from './sign-in-context.ts';

export interface SignInRoutes {
  readonly gate: Gate<Principal>;
  readonly signIn: SignInContext;
}

/** Those who sign in, and enrol: they have no session yet, and no token of ours but an invitation. */
export function mountSignIn(app: FastifyInstance, { gate, signIn: context }: SignInRoutes): void {
  mount(app, ANYBODY, operations.askToSignIn, async ({ ip }) => {
    const locked = refuseLocked(context, ip);
    if (locked !== null) return locked;
    const challenge = new Uint8Array(Buffer.from(context.challenges.make(TO_SIGN_IN), 'base64url'));
    const { rpId } = context.site();
    const options = await generateAuthenticationOptions({ rpID: rpId, challenge, userVerification: 'required' });
    return { body: { options } };
  });

  mount(app, ANYBODY, operations.signIn, async ({ body, ip, origin }) => {
    if (isForeign(context, origin)) return ELSEWHERE;
    const response = { clientExtensionResults: {}, ...body.response } as AuthenticationResponseJSON;
    const began = await signIn(context, ip, response);
    return isRefusal(began) ? began : { body: showBegan(began), session: expose(began.secret) };
  });

  mount(app, ANYBODY, operations.signInDevice, async ({ body, ip }) => {
    const began = await signInDevice(context, ip, body.code);
    return isRefusal(began) ? began : { body: { ...showBegan(began), secret: expose(began.secret) } };
  });

  const enrolling = enrollingGate(gate, context);

  mount(app, enrolling, operations.askToEnrol, async ({ principal, body }) => {
    const { invitation } = principal;
    const known = invitation === null ? undefined : await nameOf(context, invitation.person_id);
    const id = invitation?.person_id ?? context.random.newId('person');
    const person = { id, name: known ?? body.name ?? 'Owner' };
    const options = await creationOptions(context, purposeOf({ ...principal, person: id }), person);
    const isOffered = invitation !== null && (await offeredBy(context.reader, invitation.id)) !== undefined;
    const totp = isOffered ? offerTotp(context, invitation.id, person.name) : null;
    return { body: { options, person: id, first: invitation === null, totp } };
  });

  mount(app, enrolling, operations.enrol, async ({ principal, body, ip, origin }) => {
    if (isForeign(context, origin)) return ELSEWHERE;
    const wrong = refuseOther(principal, body) ?? refuseSealed(context, principal);
    if (wrong !== null) return wrong;
    const response = { clientExtensionResults: {}, ...body.response } as RegistrationResponseJSON;
    const { name, passkeyName, person } = body;
    const done = await enrol(context, ip, { ...principal, person }, { name, passkeyName, response });
    if (isRefusal(done)) return done;
    const { sequence, barrier } = done;
    const answer = { ...showBegan(done), ...(barrier === undefined ? {} : { barrier }) };
    return { body: answer, session: expose(done.secret), sequence };
  });
}

function refuseOther(
  { invitation }: Enrolling,
  { name, person }: { readonly name?: string; readonly person: string },
): Refusal | null {
  if (invitation === null && name === undefined) return refuse('INVALID_INPUT', 'Say who you are.', '/name');
  if (invitation !== null && name !== undefined) return refuse('INVALID_INPUT', 'You have a name already.', '/name');
  if (invitation === null || invitation.person_id === person) return null;
  return refuse('INVALID_INPUT', 'This is not who was invited.', '/person');
}

/** Whoever recovers an owner has to have opened the seal: by himself, or with those who hold its shares. */
function refuseSealed({ ownerTokens, isSealed }: SignInContext, { id }: Enrolling): Refusal | null {
  if (id !== ownerTokens.recoveryId || !isSealed()) return null;
  return refuse('SEALED', 'Open the seal first, with this very token.');
}

async function nameOf({ reader }: SignInContext, id: string): Promise<string | undefined> {
  return (await reader.selectFrom('people').select('name').where('id', '=', id).executeTakeFirst())?.name;
}
