import type { Kysely } from 'kysely';
import type { RoleGrantRow } from '../../database/people-rows.ts';
import type { Database } from '../../database/schema.ts';
import type { ScimUserRow, SignOnRow } from '../../database/sign-on-rows.ts';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import { StoreUnavailable } from '../../database/store-fault.ts';
import { readCheckedRows } from '../../ledger/checked-rows.ts';
import type { Facts } from '../../ledger/facts.ts';
import type { Attribution, ChangeContext } from '../change-context.ts';
import { rolesOf } from '../people/people.store.ts';
import { isInForce } from '../people/person.ts';
import { endRolesBy } from '../sign-on/end-roles.ts';
import { heldRoles, isSettled, setRoles, type Wanted } from '../sign-on/set-roles.ts';
import { mappedRolesOf, nameOfHeld } from '../sign-on/sign-on.ts';
import { listSignOns } from '../sign-on/sign-ons.store.ts';
import { type GivingGroup, givingWithin, readGiving, rolesIn } from './kept-roles.store.ts';
import { userIds } from './scim.store.ts';

export type SyncContext = Pick<ChangeContext, 'ledger' | 'clock' | 'random'> & { readonly reader: Kysely<Database> };

/** What an entry says of whose word it was; not what is asked before a change of his: the change is made already. */
export type By = Pick<Attribution, 'actor' | 'side'>;

const AT_ONCE = 50;

/**
 * Gives these users the roles of their groups of now, each in an entry of his own. Safe to repeat. What was written past
 * the ledger gives nothing, and its alarm tells.
 * @returns a refusal that names users whose own rows were written past it: what these have could not be taken from them
 * @throws where the store fails: it is not done then, and has to be asked again
 */
export async function syncRoles(
  context: SyncContext,
  by: By,
  signOn: SignOnRow,
  users: readonly string[],
): Promise<Refusal | null> {
  const groups = await readGiving(context.reader, signOn);
  const unknown: string[] = [];
  for (let i = 0; i < users.length; i += AT_ONCE) {
    const checked = await readCheckedRows(context.reader, ['scim_users'], users.slice(i, i + AT_ONCE));
    const rows: ScimUserRow[] = [];
    for (const one of checked)
      if ('tampered' in one) unknown.push(one.tampered);
      else rows.push(one.row as ScimUserRow);
    const stale = await findStale(context, signOn, groups, rows);
    const done = await Promise.all(stale.map((user) => syncOne(context, by, signOn, groups, user)));
    unknown.push(...stale.flatMap(({ id }, at) => (done[at] === true ? [] : [id])));
    // There may be very many: let others have a turn.
    await new Promise(setImmediate);
  }
  if (unknown.length === 0) return null;
  const some = unknown.slice(0, 5).join(', ');
  return refuse('ROW_TAMPERED', `Who ${some} are is not what the ledger recorded: their roles are as they were.`);
}

/** Those of these who have other roles than their groups give; in doubt they do. */
async function findStale(
  { reader }: SyncContext,
  signOn: SignOnRow,
  groups: readonly GivingGroup[],
  users: readonly ScimUserRow[],
): Promise<readonly ScimUserRow[]> {
  const had = await rolesOf(
    reader,
    users.map(({ person_id }) => person_id),
  );
  const ids = had.map(({ id }) => id);
  const tampered = new Set<string>();
  for (const one of await readCheckedRows(reader, ['role_grants'], ids))
    if ('tampered' in one) tampered.add(one.tampered);
  return users.filter((user) => {
    const own = had.filter(({ person_id }) => person_id === user.person_id);
    // What he was told at a sign-in lasts its 12 hours: only what is kept here is looked at.
    const kept = own.filter(({ expires_at }) => expires_at === null);
    const wanted = user.active === 1 ? rolesIn(signOn, groups, user.id) : [];
    const isDoubtful = own.some(({ id }) => tampered.has(id));
    return user.sign_on_id === signOn.id && (isDoubtful || !isSettled(kept, signOn.id, wanted));
  });
}

/** Resolves to whether what it read was what the ledger recorded. */
async function syncOne(
  context: SyncContext,
  by: By,
  signOn: SignOnRow,
  groups: readonly GivingGroup[],
  { id, person_id }: ScimUserRow,
): Promise<boolean> {
  const { ledger, reader, clock, random } = context;
  const had = await rolesOf(reader, [person_id]);
  const draft = { ...by, action: 'sign-on.roles-set', subject: person_id };
  const locks = [person_id, id, signOn.id, ...had.map((role) => role.id)];
  const recorded = await ledger.record({ ...draft, locks }, async (facts) => {
    const provider = await facts.find('sign_ons', signOn.id);
    const { row: person, tampered } = await facts.examine('people', person_id);
    const user = await facts.find('scim_users', id);
    if (provider === undefined || person === undefined || (person.state === 'removed' && !tampered)) return null;
    // As it is within this change: others may have changed the groups meanwhile.
    const isKept = user?.active === 1 && user.person_id === person_id && !tampered;
    const kept = isKept ? rolesIn(provider, await givingWithin(facts, provider, groups), id) : [];
    const now = clock.wall();
    const held = await heldRoles(facts, person_id);
    const told = held.sound.filter((role) => isTold(role, provider.id, now));
    await setRoles(facts, random, provider, person_id, held, [...kept, ...beside(kept, told)], now);
    return null;
  });
  if (!isRefusal(recorded)) return true;
  if (recorded.refused === 'ROW_TAMPERED') return false;
  throw new StoreUnavailable(`roles could not be set: ${recorded.refused}`);
}

function beside(kept: readonly Wanted[], told: readonly RoleGrantRow[]): readonly Wanted[] {
  const names = new Set(kept.map(({ held }) => nameOfHeld(held)));
  const rest = told.filter((role) => !names.has(nameOfHeld(role)));
  return rest.map((held) => ({ held, expiresAt: held.expires_at }));
}

/** Given at a sign-in, for its 12 hours: no matter of what is kept here. */
function isTold(role: RoleGrantRow, signOn: string, nowMs: number): boolean {
  return role.granted_by === signOn && role.expires_at !== null && isInForce(role, nowMs);
}

/**
 * Every user of a provider has the roles of his groups, and nobody one that none of them gives any more: after it was
 * saved, and whatever was cut short.
 */
export async function syncSignOn(context: SyncContext, signOn: SignOnRow): Promise<void> {
  const given = new Set(mappedRolesOf(signOn).map(nameOfHeld));
  const guard = async (facts: Facts) => {
    const provider = await facts.find('sign_ons', signOn.id);
    return provider?.saved_at === signOn.saved_at ? null : refuse('SIGN_ON_NOT_FOUND', 'It is another by now.');
  };
  await endRolesBy(context, { actor: 'system', guard }, signOn.id, (role) => !given.has(nameOfHeld(role)));
  for await (const users of userIds(context.reader, signOn.id)) {
    // Who he is that was written past the ledger is told by its alarm, and holds up no other.
    await syncRoles(context, { actor: 'system' }, signOn, users);
  }
}

export async function syncAll(context: SyncContext): Promise<void> {
  for (const signOn of await listSignOns(context.reader)) await syncSignOn(context, signOn);
}
