import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { PersonRow, SessionRow } from '../../database/people-rows.ts';
import type { PersonIdentityRow, SignOnRow } from '../../database/sign-on-rows.ts';
import type { Facts } from '../../ledger/facts.ts';
import { rowsOf } from '../people/change-person.ts';
import { rolesOf } from '../people/people.store.ts';
import { isInForce } from '../people/person.ts';
import { LIFETIME_MS, makeSession, type MadeSession } from '../sign-in/session.ts';
import { type Began, insertSession } from '../sign-in/sign-in.ts';
import type { SignInContext } from '../sign-in/sign-in-context.ts';
import * as rules from './sign-on.ts';
import type { SignOnClaims } from './sign-on.ts';
import { keptRoles } from '../scim/kept-roles.store.ts';
import { setRoles, type Wanted } from './set-roles.ts';
import { findIdentity } from './sign-ons.store.ts';

/** One answer for whatever is wrong. */
export const NOBODY = refuse('SIGN_IN_REFUSED', 'You have no way in here: ask an administrator for one.');

interface Coming {
  readonly signOn: SignOnRow;
  readonly claims: SignOnClaims;
  /** What his groups of now give. */
  readonly wanted: readonly Wanted[];
  readonly person: string;
  readonly identity: string;
  readonly isNew: boolean;
}

/**
 * Signs in whoever a provider says that he is, with the roles of the groups that he is in now. Whoever was put out here
 * stays out, and whoever is in no group that has a role is not made.
 */
export async function takeSignOn(
  context: SignInContext,
  ip: string,
  signOn: SignOnRow,
  claims: SignOnClaims,
): Promise<Began | Refusal> {
  if (!rules.isSubject(claims.sub)) return NOBODY;
  const { reader, random } = context;
  const wanted = await wantedOf(context, signOn, claims);
  const known = await findIdentity(reader, signOn.issuer, claims.sub);
  if (known !== undefined) {
    const coming = { signOn, claims, wanted, person: known.person_id, identity: known.id, isNew: false };
    return await takeKnown(context, ip, coming, known);
  }
  if (signOn.makes_people === 0 || wanted.length === 0) return NOBODY;
  const ids = { person: random.newId('person'), identity: random.newId('identity') };
  return await begin(context, ip, { signOn, claims, wanted, ...ids, isNew: true });
}

/**
 * A provider's word is good for as long as a session is: whoever does not come by it again has nothing of it, be he signed
 * in otherwise. What it keeps here over SCIM it takes away itself.
 */
async function wantedOf(context: SignInContext, signOn: SignOnRow, claims: SignOnClaims): Promise<readonly Wanted[]> {
  const mapped = rules.mappedRolesOf(signOn);
  const kept = await keptRoles(context.reader, signOn, claims.sub);
  const names = new Set(kept.map(({ held }) => rules.nameOfHeld(held)));
  const said = rules.rolesFor(mapped, rules.groupsIn(claims[signOn.groups_claim]));
  const expiresAt = context.clock.wall() + LIFETIME_MS;
  return [...kept, ...said.filter((held) => !names.has(rules.nameOfHeld(held))).map((held) => ({ held, expiresAt }))];
}

/** Whoever is known has an entry for it, too, where he is refused. */
async function takeKnown(
  context: SignInContext,
  ip: string,
  coming: Coming,
  { person_id }: PersonIdentityRow,
): Promise<Began | Refusal> {
  const now = context.clock.wall();
  const had = await rolesOf(context.reader, [person_id]);
  const others = had.some((role) => role.granted_by !== coming.signOn.id && isInForce(role, now));
  const began = coming.wanted.length === 0 && !others ? NOBODY : await begin(context, ip, coming);
  if (!isRefusal(began) || began.refused !== NOBODY.refused) return began;
  const draft = { actor: 'system', action: 'sign-in.refused', subject: person_id, about: person_id, side: { ip } };
  const own = had.filter(({ granted_by }) => granted_by === coming.signOn.id && coming.wanted.length === 0);
  const locks = [person_id, ...own.map(({ id }) => id)];
  await context.ledger.record({ ...draft, code: 'SIGN_ON', locks, evenWithoutChange: true }, async (facts) => {
    // Out of every group: what he had by them ends all the same.
    for (const { id } of own) await facts.takeAway('role_grants', id, { state: 'ended' });
    return null;
  });
  return NOBODY;
}

async function begin(context: SignInContext, ip: string, coming: Coming): Promise<Began | Refusal> {
  const { person, identity, signOn, isNew } = coming;
  const made = makeSession(context, { person_id: person, passkey_id: identity, kind: 'browser' });
  const older = isNew ? [person] : await rowsOf(context.reader, person);
  const draft = { actor: person, action: 'session.began', subject: made.row.id, side: { ip }, code: 'sign-on' };
  const locks = [...new Set([signOn.id, identity, ...older])];
  const recorded = await context.ledger.record({ ...draft, locks }, async (facts) => {
    const provider = await facts.find('sign_ons', signOn.id);
    // It was saved or removed meanwhile: what it gives is not what was looked at.
    if (provider === undefined || provider.saved_at !== signOn.saved_at) return NOBODY;
    return await letIn(context, facts, coming, made);
  });
  return isRefusal(recorded) ? recorded : { ...recorded.value, secret: made.secret };
}

async function letIn(
  context: SignInContext,
  facts: Facts,
  coming: Coming,
  made: MadeSession,
): Promise<{ person: PersonRow; session: SessionRow } | Refusal> {
  const person = coming.isNew ? await makePerson(facts, coming, made) : await findPerson(facts, coming);
  if (isRefusal(person)) return person;
  await setRoles(facts, context.random, coming.signOn, person.id, coming.wanted, made.row.created_at);
  return { person, session: await insertSession(facts, made) };
}

async function findPerson(facts: Facts, { person, identity, signOn }: Coming): Promise<PersonRow | Refusal> {
  const known = await facts.find('person_identities', identity);
  const row = await facts.find('people', person);
  if (known?.state !== 'active' || known.person_id !== person || row?.state !== 'active') return NOBODY;
  // The same issuer under another name: he is who he was.
  if (known.sign_on_id !== signOn.id) await facts.update('person_identities', known, { sign_on_id: signOn.id });
  return row;
}

async function makePerson(
  facts: Facts,
  { signOn, claims, person: id, identity }: Coming,
  { row: { created_at } }: MadeSession,
): Promise<PersonRow | Refusal> {
  // He came in by another window at this moment.
  if ((await findIdentity(facts.db, signOn.issuer, claims.sub)) !== undefined) return NOBODY;
  // From the moment of his session on: what is older is not his.
  const since = { sessions_after: created_at, passkeys_after: created_at };
  const person = await facts.insert('people', {
    id,
    name: rules.nameIn(claims),
    state: 'active',
    ...since,
    created_at,
  });
  const who = { person_id: id, issuer: signOn.issuer, subject: claims.sub, sign_on_id: signOn.id };
  await facts.insert('person_identities', { id: identity, ...who, state: 'active', created_at });
  return person;
}
