import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import type { PersonIdentityRow, SignOnRow } from '../../database/sign-on-rows.ts';
import type { SignInContext } from '../sign-in/sign-in-context.ts';
import { isSubject, type SignOnClaims } from './sign-on.ts';
import type { Linking } from './sign-ons-under-way.ts';
import { findIdentity } from './sign-ons.store.ts';
import { NOBODY } from './take-sign-on.ts';

/**
 * Makes it so that whoever asked with his session is who the provider says: he signs in there as himself, and is one to
 * those who count. Who is somebody here already stays that.
 */
export async function linkIdentity(
  { ledger, random, clock }: SignInContext,
  ip: string,
  signOn: SignOnRow,
  claims: SignOnClaims,
  { person, session }: Linking,
): Promise<PersonIdentityRow | Refusal> {
  const { issuer } = signOn;
  const subject = claims.sub;
  if (!isSubject(subject)) return NOBODY;
  const id = random.newId('identity');
  const draft = { actor: person, action: 'identity.linked', subject: id, side: { ip }, locks: [signOn.id, person] };
  const recorded = await ledger.record(draft, async (facts) => {
    const row = await facts.find('people', person);
    const asked = await facts.find('sessions', session);
    const provider = await facts.find('sign_ons', signOn.id);
    const now = clock.wall();
    if (row?.state !== 'active' || asked?.state !== 'active' || asked.person_id !== person) return NOBODY;
    if (provider?.saved_at !== signOn.saved_at || now >= asked.expires_at) return NOBODY;
    const known = await findIdentity(facts.db, issuer, subject);
    if (known !== undefined) return known.person_id === person && known.state === 'active' ? known : NOBODY;
    const who = { person_id: person, issuer, subject, sign_on_id: signOn.id };
    return await facts.insert('person_identities', { id, ...who, state: 'active', created_at: now });
  });
  return isRefusal(recorded) ? recorded : recorded.value;
}
