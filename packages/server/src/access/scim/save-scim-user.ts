import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import type { ScimUserRow, SignOnRow } from '../../database/sign-on-rows.ts';
import type { Facts } from '../../ledger/facts.ts';
import { attribution, type Attribution, type Caller, type ChangeContext } from '../change-context.ts';
import { suspendPerson } from '../people/change-person.ts';
import { findIdentity } from '../sign-on/sign-ons.store.ts';
import { notThere, putOut, type ScimUser, taken } from './scim.ts';
import { type Change, saveScimGroup } from './save-scim-group.ts';
import { findUserNamed, findUserOf, groupsOf } from './scim.store.ts';
import type { SyncContext } from './sync-roles.ts';

export interface ScimContext extends SyncContext, ChangeContext {
  readonly reader: SyncContext['reader'];
  /** Off-boards somebody in one step: handed in, since that lies on a higher floor. */
  readonly offboard: (by: Attribution, person: string, reason: string) => Promise<Refusal | null>;
}

const MAX_SUBJECT = 255;

/**
 * Makes a person of a provider's user: who he is there is what the provider calls him outside (`externalId`), or else his
 * name. Whoever is known at that issuer already is that person.
 */
export async function createScimUser(
  context: ScimContext,
  caller: Caller,
  signOn: SignOnRow,
  user: ScimUser,
): Promise<ScimUserRow | Refusal> {
  const { ledger, random, clock, reader } = context;
  const subject = (user.externalId ?? user.userName).slice(0, MAX_SUBJECT);
  const known = await findIdentity(reader, signOn.issuer, subject);
  const ids = { person: known?.person_id ?? random.newId('person'), identity: known?.id ?? random.newId('identity') };
  const id = random.newId('scimUser');
  const draft = { ...attribution(caller), action: 'scim-user.created', subject: ids.person, about: ids.person };
  const locks = [signOn.id, ids.person, ids.identity];
  const created = await ledger.record({ ...draft, locks }, async (facts) => {
    if ((await facts.find('sign_ons', signOn.id)) === undefined) throw notThere();
    const key = user.userName.toLowerCase();
    if ((await findUserNamed(facts.db, signOn.id, key)) !== undefined) throw taken();
    await ensurePerson(facts, signOn, user, { ...ids, subject, at: clock.wall() });
    if ((await findUserOf(facts.db, signOn.id, ids.person)) !== undefined) throw taken();
    const now = clock.wall();
    return await facts.insert('scim_users', {
      ...{ id, sign_on_id: signOn.id, person_id: ids.person, user_name: user.userName, user_name_key: key },
      ...{ external_id: user.externalId, active: 1 as const, is_held: 0 as const, created_at: now, updated_at: now },
    });
  });
  if (isRefusal(created) || user.active) return isRefusal(created) ? created : created.value;
  return await updateScimUser(context, caller, signOn, created.value, user);
}

interface Ids {
  readonly person: string;
  readonly identity: string;
  readonly subject: string;
  readonly at: number;
}

async function ensurePerson(
  facts: Facts,
  signOn: SignOnRow,
  { name }: ScimUser,
  { person: id, identity, subject, at }: Ids,
): Promise<void> {
  const known = await findIdentity(facts.db, signOn.issuer, subject);
  if (known !== undefined) {
    const held = await facts.find('person_identities', known.id);
    const row = await facts.find('people', known.person_id);
    const isHere = held?.state === 'active' && row !== undefined && row.state !== 'removed';
    if (!isHere || known.person_id !== id) throw putOut();
    return;
  }
  const since = { sessions_after: at, passkeys_after: at };
  await facts.insert('people', { id, name, state: 'active', ...since, created_at: at });
  const who = { person_id: id, issuer: signOn.issuer, subject, sign_on_id: signOn.id };
  await facts.insert('person_identities', { id: identity, ...who, state: 'active', created_at: at });
}

/** What a provider says of somebody now. Deactivating comes first: whatever else happens, he is out. */
export async function updateScimUser(
  context: ScimContext,
  caller: Caller,
  signOn: SignOnRow,
  row: ScimUserRow,
  user: ScimUser,
): Promise<ScimUserRow | Refusal> {
  const held = row.active === 1 && !user.active ? await deactivate(context, caller, signOn, row) : undefined;
  if (isRefusal(held)) return held;
  const { ledger, clock } = context;
  const draft = { ...attribution(caller), action: 'scim-user.changed', subject: row.person_id, about: row.person_id };
  const recorded = await ledger.record({ ...draft, locks: [row.id, row.person_id] }, async (facts) => {
    const found = await facts.find('scim_users', row.id);
    const person = await facts.find('people', row.person_id);
    if (found === undefined || person === undefined) throw notThere();
    const key = user.userName.toLowerCase();
    const other = await findUserNamed(facts.db, signOn.id, key);
    if (other !== undefined && other.id !== row.id) throw taken();
    if (user.active && person.state === 'removed') throw putOut();
    // Whom somebody here suspended nobody there lets back.
    const isBack = user.active && found.is_held === 1 && person.state === 'suspended';
    const change = { ...(isBack ? { state: 'active' as const } : {}), name: user.name };
    if (person.state !== 'removed') await facts.update('people', person, change);
    return await facts.update('scim_users', found, {
      ...{ user_name: user.userName, user_name_key: key, external_id: user.externalId, updated_at: clock.wall() },
      ...{ active: user.active ? 1 : 0, is_held: user.active ? 0 : (held ?? found.is_held) },
    });
  });
  return isRefusal(recorded) ? recorded : recorded.value;
}

/** Resolves to 1 where it was this that suspended him. */
async function deactivate(
  context: ScimContext,
  caller: Caller,
  signOn: SignOnRow,
  { person_id: person }: ScimUserRow,
): Promise<0 | 1 | Refusal> {
  if (signOn.on_deactivated === 'off-board') {
    return (await context.offboard(attribution(caller), person, `deactivated at ${signOn.name}`)) ?? 0;
  }
  const before = await context.reader.selectFrom('people').select('state').where('id', '=', person).executeTakeFirst();
  if (before?.state !== 'active') return 0;
  const suspended = await suspendPerson(context, caller, person);
  return isRefusal(suspended) ? suspended : 1;
}

/** Off-boards whom a provider deletes, and forgets what it called him. Who comes again under that name is refused. */
export async function removeScimUser(
  context: ScimContext,
  caller: Caller,
  signOn: SignOnRow,
  row: ScimUserRow,
): Promise<Refusal | null> {
  const refused = await context.offboard(attribution(caller), row.person_id, `deleted at ${signOn.name}`);
  // Whoever is gone is forgotten all the same.
  if (refused !== null && refused.refused !== 'PERSON_NOT_FOUND') return refused;
  for (const { id } of (await groupsOf(context.reader, signOn.id, [row.id])).get(row.id) ?? []) {
    const without: Change = (group) => ({ ...group, members: group.members.filter((member) => member !== row.id) });
    const saved = await saveScimGroup(context, caller, signOn, id, without);
    if (isRefusal(saved)) return saved;
  }
  const draft = { ...attribution(caller), action: 'scim-user.removed', subject: row.person_id, about: row.person_id };
  const recorded = await context.ledger.record({ ...draft, locks: [row.id] }, async (facts) => {
    const found = await facts.find('scim_users', row.id);
    if (found !== undefined) await facts.remove('scim_users', found);
    return null;
  });
  return isRefusal(recorded) ? recorded : null;
}
