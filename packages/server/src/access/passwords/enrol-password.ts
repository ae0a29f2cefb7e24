import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { InvitationRow, PersonPasswordRow } from '../../database/people-rows.ts';
import type { Facts } from '../../ledger/facts.ts';
import { SEALED } from '../../vault/vault.ts';
import { isLastOwner, LAST_OWNER } from '../people/find-other-owner.ts';
import { enrolInvited, type Enrolled } from '../sign-in/enrol.ts';
import { makeSession } from '../sign-in/session.ts';
import type { SignInContext } from '../sign-in/sign-in-context.ts';
import { loginOf, newRecoveryCodes, passwordProblem } from './password.ts';
import { findLogin, offeredBy } from './passwords.store.ts';
import { BUSY, guessesOf } from './sign-in-password.ts';
import { sealTotp, takeTotp } from './totp-secret.ts';

export interface NewPassword {
  readonly login: string;
  readonly password: string;
  readonly totp: { readonly secret: string; readonly challenge: string; readonly code: string };
}

const NOT_OFFERED = refuse('FORBIDDEN', 'This invitation takes a passkey: ask for another, if you can have none.');
const TAKEN = refuse('LOGIN_TAKEN', 'Choose another name to sign in with.', '/login');

/** Lets somebody in who was invited so, with a password and an app that has shown a code; and signs him in. */
export async function enrolPassword(
  context: SignInContext,
  ip: string,
  invitation: InvitationRow,
  { login: text, password, totp }: NewPassword,
): Promise<(Enrolled & { readonly recoveryCodes: readonly string[] }) | Refusal> {
  const { reader, clock, ownHashes, vault } = context;
  const login = loginOf(text);
  const problem = passwordProblem(password, login);
  if (problem !== null) return problem;
  const id = await offeredBy(reader, invitation.id);
  if (id === undefined) return NOT_OFFERED;
  if ((await findLogin(reader, login)) !== undefined) return TAKEN;
  // What may not go on now comes first: an offer is used up by being taken.
  if (vault.keyring.unsealed === null) return SEALED;
  const hash = await ownHashes.make(password);
  if (hash === null) return BUSY;
  const taken = takeTotp(context, invitation.id, totp);
  if (isRefusal(taken)) return taken;
  const sealed = await sealTotp(context, id, taken);
  if (isRefusal(sealed)) return sealed;
  const { codes, recovery } = newRecoveryCodes(context.random);
  const made = makeSession(context, { person_id: invitation.person_id, passkey_id: id, kind: 'browser' });
  const columns = { ...sealed, login, hash, recovery, state: 'active', created_at: clock.wall() } as const;
  const way = { id, created_at: columns.created_at, code: 'password' };
  const done = await enrolInvited(context, ip, invitation, way, made, (facts) => take(facts, invitation, id, columns));
  if (isRefusal(done)) return done;
  // What was guessed at was another password, and another app.
  context.codes.succeeded(guessesOf(invitation.person_id));
  context.accounts.succeeded(login);
  return { ...done, secret: made.secret, recoveryCodes: codes };
}

async function take(
  facts: Facts,
  invitation: InvitationRow,
  id: string,
  columns: Partial<PersonPasswordRow> & { readonly login: string },
): Promise<Refusal | null> {
  const row = await facts.find('person_passwords', id);
  const isOffered = row?.state === 'offered' && row.invitation_id === invitation.id;
  if (!isOffered || row.person_id !== invitation.person_id) return NOT_OFFERED;
  // An owner with a password is not counted where one has to be left.
  if (await isLastOwner(facts, invitation.person_id)) return LAST_OWNER;
  if ((await findLogin(facts.db, columns.login)) !== undefined) return TAKEN;
  await facts.update('person_passwords', row, columns);
  return null;
}
