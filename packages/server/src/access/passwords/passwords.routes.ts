import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import * as operations from '@keyhold/protocol/operations/passwords';
import type { FastifyInstance } from 'fastify';
import { ANYBODY, type Gate, mount } from '../../http/mount.ts';
import { expose } from '../../vault/expose.ts';
import type { Principal } from '../principal.ts';
import { ELSEWHERE, enrollingGate, isForeign } from '../sign-in/enrolling-gate.routes.ts';
import { showBegan } from '../sign-in/session.ts';
import type { SignInContext } from '../sign-in/sign-in-context.ts';
import { changePassword, renewRecoveryCodes, replaceTotp } from './change-password.ts';
import { findPasswordOf, nonceFor } from './confirm-by-code.ts';
import { enrolPassword } from './enrol-password.ts';
import { signInWithPassword } from './sign-in-password.ts';
import { offerTotp } from './totp-secret.ts';

export interface PasswordRoutes {
  readonly gate: Gate<Principal>;
  readonly signIn: SignInContext;
}

const NONCE_SECONDS = 300;
const NO_PERSON = refuse('FORBIDDEN', 'This is for people who signed in, in a browser.');

/** Signing in with a password and an authenticator app, for whoever was invited so. */
export function mountPasswords(app: FastifyInstance, { gate, signIn: context }: PasswordRoutes): void {
  mount(app, ANYBODY, operations.signInWithPassword, async ({ body, ip, origin }) => {
    if (isForeign(context, origin)) return ELSEWHERE;
    const began = await signInWithPassword(context, ip, body);
    return isRefusal(began) ? began : { body: showBegan(began), session: expose(began.secret) };
  });

  mount(app, enrollingGate(gate, context), operations.enrolPassword, async ({ principal, body, ip, origin }) => {
    if (isForeign(context, origin)) return ELSEWHERE;
    const { invitation } = principal;
    if (invitation === null) return refuse('FORBIDDEN', 'The first owner has a passkey.');
    const done = await enrolPassword(context, ip, invitation, body);
    if (isRefusal(done)) return done;
    const answer = { ...showBegan(done), recoveryCodes: [...done.recoveryCodes] };
    return { body: answer, session: expose(done.secret), sequence: done.sequence };
  });

  mount(app, gate, operations.askForNonce, async ({ principal, body }) => {
    if (principal.session?.kind !== 'browser') return NO_PERSON;
    const { method, target, bodySha256, session = principal.session.id } = body;
    const nonce = nonceFor(context, principal.id, { method, target, bodySha256, session });
    return { body: { nonce, expiresInSeconds: NONCE_SECONDS } };
  });

  mountOwn(app, gate, context);
}

/** What people do with their own. */
function mountOwn(app: FastifyInstance, gate: Gate<Principal>, context: SignInContext): void {
  mount(app, gate, operations.changePassword, async ({ principal, body, ip, idempotency, confirm }) => {
    const denied = refuseOthers(principal) ?? (await confirm());
    if (denied !== null) return denied;
    const changed = await changePassword(context, { principal, ip, idempotency }, body.password);
    return isRefusal(changed) ? changed : { body: changed.value, sequence: changed.sequence };
  });

  mount(app, gate, operations.newRecoveryCodes, async ({ principal, ip, idempotency, confirm }) => {
    const denied = refuseOthers(principal) ?? (await confirm());
    if (denied !== null) return denied;
    const made = await renewRecoveryCodes(context, { principal, ip, idempotency });
    return isRefusal(made) ? made : { body: { recoveryCodes: [...made.value] }, sequence: made.sequence };
  });

  mount(app, gate, operations.askForTotp, async ({ principal }) => {
    const { session } = principal;
    const known = await findPasswordOf(context, principal.id);
    if (session?.kind !== 'browser' || known === undefined) return NO_PERSON;
    return { body: { totp: offerTotp(context, session.id, known.login ?? '') } };
  });

  mount(app, gate, operations.replaceTotp, async ({ principal, body, ip, idempotency, confirm }) => {
    const { session } = principal;
    if (session?.kind !== 'browser') return NO_PERSON;
    // Whoever came in by a recovery code has lost the app that he would confirm it with.
    const isRecovering = context.recoveries.has(session.id);
    // INVARIANT: once, of any number at once.
    context.recoveries.forget(session.id);
    const unconfirmed = isRecovering ? null : await confirm();
    if (unconfirmed !== null) return unconfirmed;
    const replaced = await replaceTotp(context, { principal, ip, idempotency }, session.id, body.totp);
    if (!isRefusal(replaced)) return { body: {}, sequence: replaced.sequence };
    if (isRecovering) context.recoveries.note(session.id);
    return replaced;
  });
}

function refuseOthers({ session }: Principal): Refusal | null {
  return session?.kind === 'browser' ? null : NO_PERSON;
}
