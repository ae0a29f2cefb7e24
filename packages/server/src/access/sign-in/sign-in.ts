import type { AuthenticationResponseJSON } from '@simplewebauthn/server';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { PersonPasskeyRow, PersonRow, SessionRow } from '../../database/people-rows.ts';
import type { Facts } from '../../ledger/facts.ts';
import type { Secret } from '../../vault/secret.ts';
import { MAX_SESSIONS } from '../people/person.ts';
import { readAssertion } from '@keyhold/verifier/passkeys';
import type { DevicePerson } from './device-codes.ts';
import { findPasskey, noteAssertion } from './find-passkey.ts';
import { isOfNow } from '../passwords/password.ts';
import { isIdentity, isPassword, type MadeSession, makeSession } from './session.ts';
import { sessionsOf } from './sessions.store.ts';
import type { SignInContext } from './sign-in-context.ts';
import { networkOf } from './throttle.ts';

export interface Began {
  readonly person: Pick<PersonRow, 'id' | 'name'>;
  readonly session: SessionRow;
  readonly secret: Secret;
}

/** What a challenge to sign in with is for. */
export const TO_SIGN_IN = 'sign-in';

/** One answer for whatever is wrong: nobody learns who there is. */
const NOBODY = refuse('SIGN_IN_REFUSED', 'Use a passkey that you enrolled here, or ask for an invitation.');

const NO_CODE = refuse(
  'DEVICE_CODE_GONE',
  'Make a new one where you are signed in; each is good once, for five minutes, while you are.',
);

/** Signs in whoever holds a passkey, which says itself whose it is. */
export async function signIn(
  context: SignInContext,
  ip: string,
  response: AuthenticationResponseJSON,
): Promise<Began | Refusal> {
  const locked = refuseLocked(context, ip);
  if (locked !== null) return locked;
  const passkey = await findPasskey(context, response.id);
  const proven = passkey === undefined ? 'UNKNOWN_PASSKEY' : await prove(context, passkey, response);
  if (passkey === undefined || proven !== null) return await refuseSignIn(context, ip, passkey, proven);
  const made = makeSession(context, { person_id: passkey.person_id, passkey_id: passkey.id, kind: 'browser' });
  const began = await beginSession(context, ip, made);
  if (!isRefusal(began)) context.throttle.succeeded(networkOf(ip));
  return began;
}

/** Too many failed from there. */
export function refuseLocked({ throttle }: SignInContext, ip: string): Refusal | null {
  const wait = throttle.waitSeconds(networkOf(ip));
  if (wait === null) return null;
  return {
    ...refuse('TOO_MANY_ATTEMPTS', `Too many attempts from your network failed; wait ${wait} s.`),
    retryAfterSeconds: wait,
  };
}

/** Null, or why it isn't that passkey's answer to a challenge of ours. */
async function prove(
  context: SignInContext,
  passkey: PersonPasskeyRow,
  response: AuthenticationResponseJSON,
): Promise<string | null> {
  const { challenges, site } = context;
  const { origin, rpId } = site();
  let challenge = '';
  const isOpen = (shown: string) => {
    challenge = shown;
    return challenges.isOpen(TO_SIGN_IN, shown);
  };
  const known = { credentialId: passkey.credential_id, publicKey: passkey.public_key };
  const counter = await readAssertion({ challenge: isOpen, origins: [origin], rpId }, known, response);
  if (counter === null) return 'PASSKEY_REFUSED';
  const handle = response.response.userHandle ?? '';
  if (Buffer.from(handle, 'base64url').toString() !== passkey.person_id) return 'PASSKEY_REFUSED';
  // INVARIANT: taken in the same step in which it was found open; of two that bring it at once one signs in.
  if (!challenges.take(TO_SIGN_IN, challenge)) return 'CHALLENGE_USED';
  await noteAssertion(context, passkey, counter);
  return null;
}

/**
 * Begins the session of somebody who has shown who he is.
 * @param parent a session of his that has to be there still
 */
async function beginSession(
  context: SignInContext,
  ip: string,
  made: MadeSession,
  parent?: string,
): Promise<Began | Refusal> {
  const { row, secret } = made;
  const older = await sessionsOf(context.reader, row.person_id);
  const draft = { actor: row.person_id, action: 'session.began', subject: row.id, side: { ip } };
  const locks = [row.person_id, row.passkey_id, ...older.map(({ id }) => id)];
  const recorded = await context.ledger.record({ ...draft, locks }, async (facts) => {
    const person = await facts.find('people', row.person_id);
    if (person?.state !== 'active' || !(await isWayIn(facts, person, row.passkey_id))) return NOBODY;
    if (parent !== undefined && !(await isAlive(facts, parent, row.created_at))) return NO_CODE;
    return { person, session: await insertSession(facts, made) };
  });
  return isRefusal(recorded) ? recorded : { ...recorded.value, secret };
}

/** A passkey or password of his, or who he is at a provider that is still trusted. */
async function isWayIn(facts: Facts, person: PersonRow, way: string): Promise<boolean> {
  if (isIdentity(way)) {
    const identity = await facts.find('person_identities', way);
    const signOn = identity === undefined ? undefined : await facts.find('sign_ons', identity.sign_on_id);
    return identity?.state === 'active' && identity.person_id === person.id && signOn !== undefined;
  }
  if (isPassword(way)) {
    const password = await facts.find('person_passwords', way);
    return password !== undefined && isOfNow(password, person);
  }
  const passkey = await facts.find('person_passkeys', way);
  return passkey?.state === 'active' && passkey.created_at >= person.passkeys_after;
}

async function isAlive(facts: Facts, session: string, nowMs: number): Promise<boolean> {
  const row = await facts.find('sessions', session);
  return row?.state === 'active' && nowMs < row.expires_at;
}

/** The oldest ends where there are too many: what ends them all has to fit into one entry. */
export async function insertSession(facts: Facts, { row }: MadeSession): Promise<SessionRow> {
  const living = await sessionsOf(facts.db, row.person_id);
  for (const { id } of living.slice(MAX_SESSIONS - 1)) {
    await facts.takeAway('sessions', id, { state: 'ended' });
  }
  return await facts.insert('sessions', row);
}

/**
 * Whoever is known has an entry for it; strangers are counted, and entered once they are locked out: else anybody could
 * fill the log.
 */
async function refuseSignIn(
  context: SignInContext,
  ip: string,
  passkey: PersonPasskeyRow | undefined,
  code: string | null,
): Promise<Refusal> {
  const { ledger } = context;
  if (passkey !== undefined) {
    const draft = { actor: 'system', action: 'sign-in.refused', subject: passkey.person_id, side: { ip } };
    const about = passkey.person_id;
    await ledger.record({ ...draft, about, code: code ?? '', evenWithoutChange: true }, async () => null);
  }
  await noteFailure(context, ip);
  return NOBODY;
}

/** Counts a failure, and enters the one that locks its network out. */
export async function noteFailure({ throttle, ledger }: SignInContext, ip: string): Promise<void> {
  if (!throttle.failed(networkOf(ip))) return;
  const draft = { actor: 'system', action: 'sign-in.locked', subject: ledger.head.installation, side: { ip } };
  await ledger.record({ ...draft, evenWithoutChange: true }, async () => null);
}

/** Signs a command line in with a code that its person made. */
export async function signInDevice(context: SignInContext, ip: string, code: string): Promise<Began | Refusal> {
  const locked = refuseLocked(context, ip);
  if (locked !== null) return locked;
  const by: DevicePerson | null = context.deviceCodes.take(code);
  if (by === null) {
    await noteFailure(context, ip);
    return NO_CODE;
  }
  const made = makeSession(context, { person_id: by.person, passkey_id: by.passkey, kind: 'cli' });
  return await beginSession(context, ip, made, by.session);
}
