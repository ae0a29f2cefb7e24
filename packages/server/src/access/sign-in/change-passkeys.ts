import type { RegistrationResponseJSON } from '@simplewebauthn/server';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { PersonPasskeyRow } from '../../database/people-rows.ts';
import type { Recorded } from '../../ledger/entry.ts';
import { attribution, type Caller } from '../change-context.ts';
import { endSessions, rowsOf } from '../people/change-person.ts';
import { goodPasskeys } from '../people/find-other-owner.ts';
import type { Principal } from '../principal.ts';
import { MAX_PASSKEYS } from '../people/person.ts';
import { takeAwayAll } from '../people/take-away-all.ts';
import { GONE } from '../passwords/password.ts';
import { passwordsOf } from '../passwords/passwords.store.ts';
import { creationOptions, insertPasskey, passkeyRow, readCreated } from './enrol.ts';
import { isIdentity } from './session.ts';
import { passkeysOf, sessionsOf } from './sessions.store.ts';
import type { SignInContext } from './sign-in-context.ts';

const HAS_ONE = refuse('CONFIRMATION_REQUIRED', 'You had a passkey before: confirm it with that, or be invited anew.');

const purposeFor = (person: string) => `add passkey ${person}`;

/** What a browser makes another passkey of the caller with. */
export async function optionsForPasskey(
  context: SignInContext,
  person: { readonly id: string; readonly name: string },
) {
  const has = await passkeysOf(context.reader, person.id);
  return await creationOptions(context, purposeFor(person.id), person, has);
}

/**
 * Whoever came in by a provider has no passkey to confirm his first with: he adds it within minutes of having shown there
 * who he is, and that is the one time.
 */
export async function mayAddFirst({ reader, fresh }: SignInContext, { id, session }: Principal): Promise<boolean> {
  if (session?.kind !== 'browser' || !fresh.has(session.id)) return false;
  const own = (await sessionsOf(reader, id)).find((row) => row.id === session.id);
  if (own === undefined || !isIdentity(own.passkey_id)) return false;
  return (await passkeysOf(reader, id)).length === 0 && (await passwordsOf(reader, id)).length === 0;
}

/** Adds a passkey to those of the caller. @param isFirst it was not confirmed with another: there must be none */
export async function addPasskey(
  context: SignInContext,
  caller: Caller,
  { name, response }: { readonly name: string; readonly response: RegistrationResponseJSON },
  isFirst: boolean,
): Promise<Recorded<PersonPasskeyRow> | Refusal> {
  const person = caller.principal.id;
  const made = await readCreated(context, purposeFor(person), response);
  if (isRefusal(made)) return made;
  const row = passkeyRow(context, person, name, made);
  const older = (await passwordsOf(context.reader, person)).map(({ id }) => id);
  const draft = { ...attribution(caller), action: 'passkey.added', subject: row.id, locks: [person, ...older] };
  return await context.ledger.record(draft, async (facts) => {
    const owner = await facts.find('people', person);
    if (owner?.state !== 'active') return refuse('UNAUTHENTICATED', 'Sign in.');
    const has = (await passkeysOf(facts.db, person)).length;
    if (isFirst) {
      // What passkeys there are, rows may say that somebody edited; that there never was one, his own row says.
      if (has > 0 || owner.passkeys_after !== owner.created_at) return HAS_ONE;
      await facts.update('people', owner, { passkeys_after: row.created_at });
      // Whatever was there before counts no more, were it hidden now and put back later: his own row says so.
    } else if (has === 0) await facts.update('people', owner, { passkeys_after: row.created_at });
    // Whoever has a passkey has no weaker way in beside it. Sessions that began so are over with it.
    await takeAwayAll(facts, 'person_passwords', await passwordsOf(facts.db, person), GONE);
    if (has < MAX_PASSKEYS) return await insertPasskey(facts, row);
    return refuse('TOO_MANY_PASSKEYS', `${MAX_PASSKEYS} are the most: remove one first.`);
  });
}

/** Removes a passkey of the caller's, and ends what began with it. Without any he could not come back. */
export async function removePasskey(
  context: SignInContext,
  caller: Caller,
  id: string,
): Promise<Recorded<{ sessionsEnded: number }> | Refusal> {
  const person = caller.principal.id;
  const draft = { ...attribution(caller), action: 'passkey.removed', subject: id };
  const locks = await rowsOf(context.reader, person);
  return await context.ledger.record({ ...draft, locks }, async (facts) => {
    const { row, tampered } = await facts.examine('person_passkeys', id);
    if (row === undefined || row.person_id !== person || row.state === 'removed') {
      return refuse('PASSKEY_NOT_FOUND', `You have no passkey ${id}.`, 'id');
    }
    if ((await goodPasskeys(facts, person)) < (tampered ? 1 : 2)) {
      return refuse('ILLEGAL_TRANSITION', 'It is your last one: add another first.');
    }
    await facts[tampered ? 'overwrite' : 'update']('person_passkeys', row, { state: 'removed' });
    return { sessionsEnded: await endSessions(facts, person, id) };
  });
}
