import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import type { PersonIdentityRow, SignOnRow } from '../../database/sign-on-rows.ts';
import type { Facts } from '../../ledger/facts.ts';
import { rowsOf } from '../people/change-person.ts';
import { rolesOf } from '../people/people.store.ts';
import { findUserOf } from '../scim/scim.store.ts';
import { passkeysOf } from '../sign-in/sessions.store.ts';
import type { SignInContext } from '../sign-in/sign-in-context.ts';
import { type SignOnClaims, subjectBy } from './sign-on.ts';
import type { Linking } from './sign-ons-under-way.ts';
import { findIdentity, hasSignedIn } from './sign-ons.store.ts';
import { NOBODY } from './take-sign-on.ts';

/**
 * Makes it so that whoever asked with his session is who the provider says: he signs in there as himself, and is one to
 * those who count. Who is somebody here already stays that; but not whom the provider made and who never was here himself.
 */
export async function linkIdentity(
  { ledger, random, clock, reader }: SignInContext,
  ip: string,
  signOn: SignOnRow,
  claims: SignOnClaims,
  { person, session }: Linking,
): Promise<PersonIdentityRow | Refusal> {
  const { issuer } = signOn;
  const subject = subjectBy(signOn.subject_claim, claims[signOn.subject_claim]);
  if (subject === null) return NOBODY;
  const id = random.newId('identity');
  const before = await findIdentity(reader, issuer, subject);
  const theirs = before === undefined ? [] : [before.id, ...(await rowsOf(reader, before.person_id))];
  const listed = before === undefined ? undefined : await findUserOf(reader, signOn.id, before.person_id);
  if (listed !== undefined) theirs.push(listed.id);
  const draft = { actor: person, action: 'identity.linked', subject: id, side: { ip } };
  const locks = [...new Set([signOn.id, person, ...theirs])];
  const recorded = await ledger.record({ ...draft, locks }, async (facts) => {
    const row = await facts.find('people', person);
    const asked = await facts.find('sessions', session);
    const provider = await facts.find('sign_ons', signOn.id);
    const now = clock.wall();
    if (row?.state !== 'active' || asked?.state !== 'active' || asked.person_id !== person) return NOBODY;
    if (provider?.saved_at !== signOn.saved_at || now >= asked.expires_at) return NOBODY;
    const found = await findIdentity(facts.db, issuer, subject);
    const known = found === undefined ? undefined : await facts.find('person_identities', found.id);
    if (known === undefined) {
      const who = { person_id: person, issuer, subject, sign_on_id: signOn.id };
      return await facts.insert('person_identities', { id, ...who, state: 'active', created_at: now });
    }
    if (known.state !== 'active') return NOBODY;
    return known.person_id === person ? known : await takeOver(facts, signOn, known, person);
  });
  return isRefusal(recorded) ? recorded : recorded.value;
}

/** Of whom a provider made over SCIM before he linked himself there is nothing but that: he is this person. */
async function takeOver(
  facts: Facts,
  signOn: SignOnRow,
  known: PersonIdentityRow,
  person: string,
): Promise<PersonIdentityRow | Refusal> {
  const made = await facts.find('people', known.person_id);
  const listed = await findUserOf(facts.db, signOn.id, known.person_id);
  const user = listed === undefined ? undefined : await facts.find('scim_users', listed.id);
  const wasHere =
    (await passkeysOf(facts.db, known.person_id)).length > 0 || (await hasSignedIn(facts.db, known.person_id));
  if (made?.state !== 'active' || user?.person_id !== known.person_id || wasHere) return NOBODY;
  if (made.passkeys_after !== made.created_at || (await findUserOf(facts.db, signOn.id, person)) !== undefined)
    return NOBODY;
  for (const role of await rolesOf(facts.db, [made.id]))
    await facts.takeAway('role_grants', role.id, { state: 'ended' });
  await facts.update('people', made, { state: 'removed' });
  await facts.update('scim_users', user, { person_id: person });
  return await facts.update('person_identities', known, { person_id: person });
}
