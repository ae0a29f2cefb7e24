import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import type { PersonRow } from '../../database/people-rows.ts';
import type { ScimUserRow, SignOnRow } from '../../database/sign-on-rows.ts';
import type { Facts } from '../../ledger/facts.ts';
import { attribution, type Attribution, type Caller, type ChangeContext } from '../change-context.ts';
import { endSessions, rowsOf } from '../people/change-person.ts';
import { isLastOwner, LAST_OWNER } from '../people/find-other-owner.ts';
import { withdrawInvitations } from '../people/invite-person.ts';
import { subjectBy } from '../sign-on/sign-on.ts';
import { findIdentity } from '../sign-on/sign-ons.store.ts';
import { saveScimGroup } from './save-scim-group.ts';
import { notThere, putOut, ScimError, type ScimGroup, type ScimUser, taken } from './scim.ts';
import { findUser, findUserNamed, findUserOf, groupsWith, usersOf, type UserWithPerson } from './scim.store.ts';
import { type SyncContext, syncRoles } from './sync-roles.ts';

export interface ScimContext extends SyncContext, ChangeContext {
  readonly reader: SyncContext['reader'];
  /** Off-boards somebody in one step: handed in, since that lies on a higher floor. */
  readonly offboard: (by: Attribution, person: string, reason: string) => Promise<Refusal | null>;
}

/** A user as he is after a change. */
async function shownAgain({ reader }: ScimContext, { id: signOn }: SignOnRow, id: string): Promise<UserWithPerson> {
  const found = await findUser(reader, signOn, id);
  if (found === undefined) throw notThere();
  return found;
}

/**
 * Makes a person of a provider's user: who he is there is what the provider calls him outside (`externalId`), or else his
 * name. Whoever is known at that issuer already is that person. Who is not active yet is suspended from the beginning.
 */
export async function createScimUser(
  context: ScimContext,
  caller: Caller,
  signOn: SignOnRow,
  user: ScimUser,
): Promise<UserWithPerson | Refusal> {
  const { ledger, random, clock, reader } = context;
  const subject = subjectBy(signOn.subject_claim, user.externalId ?? user.userName);
  if (subject === null) throw new ScimError('invalidValue', 'externalId, or else userName, says who it is.');
  const known = await findIdentity(reader, signOn.issuer, subject);
  const ids = { person: known?.person_id ?? random.newId('person'), identity: known?.id ?? random.newId('identity') };
  const id = random.newId('scimUser');
  const draft = { ...attribution(caller), action: 'scim-user.created', subject: ids.person };
  const locks = [signOn.id, ids.person, ids.identity];
  const created = await ledger.record({ ...draft, locks }, async (facts) => {
    if ((await facts.find('sign_ons', signOn.id)) === undefined) throw notThere();
    const key = user.userName.toLowerCase();
    if ((await findUserNamed(facts.db, signOn.id, key)) !== undefined) throw taken();
    const now = clock.wall();
    const isNew = await ensurePerson(facts, signOn, user, { ...ids, subject, at: now });
    if ((await findUserOf(facts.db, signOn.id, ids.person)) !== undefined) throw taken();
    // Whoever was here before goes on until the provider says in a word of its own that he does not.
    const isActive = user.active || !isNew;
    return await facts.insert('scim_users', {
      ...{ id, sign_on_id: signOn.id, person_id: ids.person, user_name: user.userName, user_name_key: key },
      ...{ external_id: user.externalId, active: isActive ? 1 : 0, held_at: isActive ? null : now },
      ...{ created_at: now, updated_at: now },
    });
  });
  if (isRefusal(created)) return created;
  if (user.active || created.value.active === 0) return await shownAgain(context, signOn, id);
  return await updateScimUser(context, caller, signOn, id, () => user);
}

interface Ids {
  readonly person: string;
  readonly identity: string;
  readonly subject: string;
  readonly at: number;
}

/** Resolves to whether he was made. */
async function ensurePerson(
  facts: Facts,
  signOn: SignOnRow,
  { name, active }: ScimUser,
  { person: id, identity, subject, at }: Ids,
): Promise<boolean> {
  const known = await findIdentity(facts.db, signOn.issuer, subject);
  if (known !== undefined) {
    const held = await facts.find('person_identities', known.id);
    const row = await facts.find('people', known.person_id);
    const isHere = held?.state === 'active' && row !== undefined && row.state !== 'removed';
    if (!isHere || held.person_id !== id) throw putOut();
    return false;
  }
  const state = active ? ('active' as const) : ('suspended' as const);
  await facts.insert('people', { id, name, state, sessions_after: at, passkeys_after: at, created_at: at });
  const who = { person_id: id, issuer: signOn.issuer, subject, sign_on_id: signOn.id };
  await facts.insert('person_identities', { id: identity, ...who, state: 'active', created_at: at });
  return true;
}

/**
 * What a provider says of somebody now, made from what was known of him within the change. Off-boarding comes first:
 * whatever else happens, he is out.
 */
export async function updateScimUser(
  context: ScimContext,
  caller: Caller,
  signOn: SignOnRow,
  id: string,
  change: (before: ScimUser) => ScimUser,
): Promise<UserWithPerson | Refusal> {
  const row = await shownAgain(context, signOn, id);
  const isLeaving = row.active === 1 && !change(asUser(row, row.name)).active;
  if (isLeaving && signOn.on_deactivated === 'off-board') {
    const refused = await context.offboard(attribution(caller), row.person_id, `deactivated at ${signOn.name}`);
    if (refused !== null) return refused;
  }
  const { person_id } = row;
  const by = attribution(caller);
  const draft = { ...by, action: 'scim-user.changed', subject: person_id };
  const listed = (await usersOf(context.reader, person_id)).map((user) => user.id);
  const locks = [...new Set([id, ...listed, ...(await rowsOf(context.reader, person_id))])];
  const recorded = await context.ledger.record({ ...draft, locks }, async (facts) => {
    const found = await facts.find('scim_users', id);
    const person = await facts.find('people', person_id);
    if (found?.sign_on_id !== signOn.id || person === undefined || found.person_id !== person_id) throw notThere();
    const user = change(asUser(found, person.name));
    const key = user.userName.toLowerCase();
    const other = await findUserNamed(facts.db, signOn.id, key);
    if (other !== undefined && other.id !== id) throw taken();
    // Whatever he was before, he is inactive now by this word.
    const isPutOut = !change({ ...asUser(found, person.name), active: true }).active;
    const held = await setActive(context, facts, found, person, { ...user, isPutOut });
    if (isRefusal(held)) return held;
    return await facts.update('scim_users', found, {
      ...{
        user_name: user.userName,
        user_name_key: key,
        external_id: user.externalId,
        updated_at: context.clock.wall(),
      },
      ...{ active: user.active ? 1 : 0, held_at: held.at },
    });
  });
  if (isRefusal(recorded)) return recorded;
  const unsynced = await syncRoles(context, { actor: by.actor, side: by.side }, signOn, [id]);
  return unsynced ?? (await shownAgain(context, signOn, id));
}

const asUser = (row: ScimUserRow, name: string): ScimUser => ({
  userName: row.user_name,
  externalId: row.external_id,
  name,
  active: row.active === 1,
});

/**
 * Suspends, or lets back whom just this suspended: nobody there lets back whom somebody here put out, or another provider
 * holds. Who hold him together hold him since one moment, so that the last of them lets him back.
 */
async function setActive(
  { clock }: ScimContext,
  facts: Facts,
  { id, held_at: heldAt }: ScimUserRow,
  person: PersonRow,
  { active, name, isPutOut }: ScimUser & { readonly isPutOut: boolean },
): Promise<{ readonly at: number | null } | Refusal> {
  if (active && person.state === 'removed') throw putOut();
  const named = person.state === 'removed' ? {} : { name };
  if (isPutOut && person.state === 'active') {
    if (await isLastOwner(facts, person.id)) return LAST_OWNER;
    const now = clock.wall();
    await facts.update('people', person, { ...named, state: 'suspended', sessions_after: now });
    // Before the sessions, which end by his row, however little room they leave.
    await withdrawInvitations(facts, person.id);
    await endSessions(facts, person.id);
    return { at: now };
  }
  const isHeldBy = await holdersOf(facts, person);
  const others = isHeldBy.filter((holder) => holder !== id);
  const isBack = active && person.state === 'suspended' && person.sessions_after === heldAt && others.length === 0;
  await facts.update('people', person, { ...named, ...(isBack ? { state: 'active' as const } : {}) });
  if (active) return { at: null };
  return { at: others.length > 0 ? person.sessions_after : heldAt };
}

/** Ids of users by whose providers' words a person is suspended. @throws TamperedRow */
async function holdersOf(facts: Facts, { id: person, state, sessions_after: since }: PersonRow): Promise<string[]> {
  if (state !== 'suspended') return [];
  const holders: string[] = [];
  for (const { id } of await usersOf(facts.db, person)) {
    const user = await facts.find('scim_users', id);
    if (user?.person_id === person && user.active === 0 && user.held_at === since) holders.push(id);
  }
  return holders;
}

/** Off-boards whom a provider deletes, and forgets what it called him. */
export async function removeScimUser(
  context: ScimContext,
  caller: Caller,
  signOn: SignOnRow,
  id: string,
): Promise<Refusal | null> {
  const { person_id } = await shownAgain(context, signOn, id);
  const refused = await context.offboard(attribution(caller), person_id, `deleted at ${signOn.name}`);
  // Whoever is gone is forgotten all the same.
  if (refused !== null && refused.refused !== 'PERSON_NOT_FOUND') return refused;
  for (const group of await groupsWith(context.reader, signOn.id, id)) {
    const change = (before: ScimGroup) => ({ ...before, members: before.members.filter((member) => member !== id) });
    const saved = await saveScimGroup(context, caller, signOn, group, { change, named: [] });
    if (isRefusal(saved)) return saved;
  }
  const draft = { ...attribution(caller), action: 'scim-user.removed', subject: person_id };
  const recorded = await context.ledger.record({ ...draft, locks: [id] }, async (facts) => {
    const found = await facts.find('scim_users', id);
    if (found?.sign_on_id !== signOn.id) throw notThere();
    await facts.remove('scim_users', found);
    return null;
  });
  return isRefusal(recorded) ? recorded : null;
}
