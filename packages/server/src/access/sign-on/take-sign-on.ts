import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { PersonRow, SessionRow } from '../../database/people-rows.ts';
import type { SignOnRow } from '../../database/sign-on-rows.ts';
import type { Facts } from '../../ledger/facts.ts';
import { rowsOf } from '../people/change-person.ts';
import { isInForce } from '../people/person.ts';
import { type GivingGroup, readGiving, rolesKeptOf } from '../scim/kept-roles.store.ts';
import { LIFETIME_MS, makeSession, type MadeSession } from '../sign-in/session.ts';
import { type Began, insertSession } from '../sign-in/sign-in.ts';
import type { SignInContext } from '../sign-in/sign-in-context.ts';
import { heldRoles, setRoles, type Wanted } from './set-roles.ts';
import * as rules from './sign-on.ts';
import type { SignOnClaims } from './sign-on.ts';
import { findIdentity, keepsPeople } from './sign-ons.store.ts';

/** One answer for whatever is wrong. */
export const NOBODY = refuse('SIGN_IN_REFUSED', 'You have no way in here: ask an administrator for one.');

interface Coming {
  readonly signOn: SignOnRow;
  readonly subject: string;
  readonly name: string;
  /** What the groups give that the provider named just now. */
  readonly said: readonly Wanted[];
  /** What gives roles of what the provider keeps here, as it was read before the change. */
  readonly groups: readonly GivingGroup[];
  readonly person: string;
  readonly identity: string;
  readonly isNew: boolean;
}

/**
 * Signs in whoever a provider says that he is, with the roles of the groups that he is in now. Whoever was put out here
 * stays out, and whoever is in no group that has a role is not made; nor is anybody, where the provider keeps its people
 * here itself.
 */
export async function takeSignOn(
  context: SignInContext,
  ip: string,
  signOn: SignOnRow,
  claims: SignOnClaims,
): Promise<Began | Refusal> {
  const subject = rules.subjectBy(signOn.subject_claim, claims[signOn.subject_claim]);
  if (subject === null) return NOBODY;
  const { reader, random, clock } = context;
  const held = rules.rolesFor(rules.mappedRolesOf(signOn), rules.groupsIn(claims[signOn.groups_claim]));
  // Good for as long as a session is: whoever does not come again has nothing of it, be he signed in otherwise.
  const expiresAt = clock.wall() + LIFETIME_MS;
  const said = held.map((one) => ({ held: one, expiresAt }));
  const groups = await readGiving(reader, signOn);
  const coming = { signOn, subject, name: rules.nameIn(claims), said, groups };
  const known = await findIdentity(reader, signOn.issuer, subject);
  if (known !== undefined)
    return await takeKnown(context, ip, { ...coming, person: known.person_id, identity: known.id, isNew: false });
  if (signOn.makes_people === 0 || said.length === 0 || (await keepsPeople(reader, signOn.id))) return NOBODY;
  const ids = { person: random.newId('person'), identity: random.newId('identity') };
  return await begin(context, ip, { ...coming, ...ids, isNew: true });
}

/** Whoever is known has an entry for it, too, where he is refused. */
async function takeKnown(context: SignInContext, ip: string, coming: Coming): Promise<Began | Refusal> {
  const began = await begin(context, ip, coming);
  if (!isRefusal(began) || began.refused !== NOBODY.refused) return began;
  const { signOn, person } = coming;
  const draft = { actor: 'system', action: 'sign-in.refused', subject: person, about: person, side: { ip } };
  const locks = [...new Set([signOn.id, coming.identity, ...(await rowsOf(context.reader, person))])];
  await context.ledger.record({ ...draft, code: 'SIGN_ON', locks, evenWithoutChange: true }, async (facts) => {
    const provider = await facts.find('sign_ons', signOn.id);
    if (provider?.saved_at !== signOn.saved_at || isRefusal(await findPerson(facts, coming))) return null;
    // Out of every group: what he had by them ends all the same.
    const had = await heldRoles(facts, person);
    await setRoles(facts, context.random, signOn, person, had, await wantedOf(facts, coming), context.clock.wall());
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
    if (provider?.saved_at !== signOn.saved_at) return NOBODY;
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
  const { signOn } = coming;
  const person = coming.isNew ? await makePerson(facts, coming, made) : await findPerson(facts, coming);
  if (isRefusal(person)) return person;
  const now = made.row.created_at;
  const wanted = await wantedOf(facts, coming);
  const had = await heldRoles(facts, person.id);
  const others = had.sound.some((role) => role.granted_by !== signOn.id && isInForce(role, now));
  if (wanted.length === 0 && !others) return NOBODY;
  await setRoles(facts, context.random, signOn, person.id, had, wanted, now);
  return { person, session: await insertSession(facts, made) };
}

/** What the provider keeps here of him, as it is within this change; and what it said on top. */
async function wantedOf(facts: Facts, { signOn, person, said, groups }: Coming): Promise<readonly Wanted[]> {
  const kept = await rolesKeptOf(facts, signOn, person, groups);
  const names = new Set(kept.map(({ held }) => rules.nameOfHeld(held)));
  return [...kept, ...said.filter(({ held }) => !names.has(rules.nameOfHeld(held)))];
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
  { signOn, subject, name, person: id, identity }: Coming,
  { row: { created_at } }: MadeSession,
): Promise<PersonRow | Refusal> {
  // He came in by another window at this moment.
  if ((await findIdentity(facts.db, signOn.issuer, subject)) !== undefined) return NOBODY;
  // From the moment of his session on: what is older is not his.
  const since = { sessions_after: created_at, passkeys_after: created_at };
  const person = await facts.insert('people', { id, name, state: 'active', ...since, created_at });
  const who = { person_id: id, issuer: signOn.issuer, subject, sign_on_id: signOn.id };
  await facts.insert('person_identities', { id: identity, ...who, state: 'active', created_at });
  return person;
}
