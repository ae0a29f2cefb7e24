import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import type { Kysely } from 'kysely';
import type { Database } from '../../database/schema.ts';
import type { ScimGroupRow, SignOnRow } from '../../database/sign-on-rows.ts';
import { readCheckedRows } from '../../ledger/checked-rows.ts';
import { attribution, type Caller } from '../change-context.ts';
import { membersOf, notThere, ScimError, type ScimGroup, taken } from './scim.ts';
import type { GroupPatch } from './scim-patch.ts';
import { countGroups, findGroup } from './scim.store.ts';
import { type SyncContext, syncRoles } from './sync-roles.ts';

const MAX_GROUPS = 5_000;

const asGroup = (row: ScimGroupRow): ScimGroup => ({
  displayName: row.display_name,
  externalId: row.external_id,
  members: membersOf(row),
});

/**
 * Makes a group, or changes it, from what it is within the change: of two at a moment none is lost. Whoever is in it, or was,
 * or is named, has the roles of his groups of now before this returns: so a call that was cut short is repeated.
 */
export async function saveScimGroup(
  context: SyncContext,
  caller: Caller,
  signOn: SignOnRow,
  known: string | null,
  { change, named }: GroupPatch,
): Promise<ScimGroupRow | Refusal> {
  const { ledger, random, clock } = context;
  const id = known ?? random.newId('scimGroup');
  const by = attribution(caller);
  const draft = { ...by, action: known === null ? 'scim-group.created' : 'scim-group.changed', subject: id };
  const recorded = await ledger.record({ ...draft, locks: [id, signOn.id] }, async (facts) => {
    if ((await facts.find('sign_ons', signOn.id)) === undefined) throw notThere();
    const row = known === null ? undefined : await facts.find('scim_groups', id);
    // Another provider's is not there.
    if (known !== null && row?.sign_on_id !== signOn.id) throw notThere();
    if (known === null && (await countGroups(facts.db, signOn.id)) >= MAX_GROUPS)
      throw new ScimError('tooMany', `${MAX_GROUPS} groups are the most.`, 413);
    const before = row === undefined ? null : asGroup(row);
    const after = change(before ?? { displayName: '', externalId: null, members: [] });
    await refuseStrangers(facts.db, signOn.id, after.members, before?.members ?? []);
    if (await isTaken(facts.db, signOn.id, id, after.displayName)) throw taken();
    const columns = {
      ...{ display_name: after.displayName, external_id: after.externalId, members: JSON.stringify(after.members) },
      updated_at: clock.wall(),
    };
    const saved =
      row === undefined
        ? await facts.insert('scim_groups', { id, sign_on_id: signOn.id, ...columns, created_at: columns.updated_at })
        : await facts.update('scim_groups', row, columns);
    return { saved, concerned: concernedBy(before, after) };
  });
  if (isRefusal(recorded)) return recorded;
  const { saved, concerned } = recorded.value;
  const all = [...new Set([...concerned, ...named])];
  return (await syncRoles(context, { actor: by.actor, side: by.side }, signOn, all)) ?? saved;
}

/** Under another name it gives other roles, to all of them. */
function concernedBy(before: ScimGroup | null, after: ScimGroup): readonly string[] {
  const had = new Set(before?.members);
  if (before?.displayName !== after.displayName) return [...new Set([...had, ...after.members])];
  const has = new Set(after.members);
  return [...[...had].filter((id) => !has.has(id)), ...[...has].filter((id) => !had.has(id))];
}

async function isTaken(db: Kysely<Database>, signOn: string, id: string, name: string): Promise<boolean> {
  const query = db.selectFrom('scim_groups').select('id').where('sign_on_id', '=', signOn).where('id', '!=', id);
  return (await query.where('display_name', '=', name).executeTakeFirst()) !== undefined;
}

const AT_ONCE = 500;

/** Only users of this provider are members; who was one before is not asked again. @throws ScimError */
async function refuseStrangers(
  db: Kysely<Database>,
  signOn: string,
  members: readonly string[],
  before: readonly string[],
): Promise<void> {
  const had = new Set(before);
  const fresh = members.filter((id) => !had.has(id));
  for (let i = 0; i < fresh.length; i += AT_ONCE) {
    const some = fresh.slice(i, i + AT_ONCE);
    const query = db.selectFrom('scim_users').select('id').where('sign_on_id', '=', signOn).where('id', 'in', some);
    const known = new Set((await query.execute()).map(({ id }) => id));
    const stranger = some.find((id) => !known.has(id));
    if (stranger !== undefined) throw new ScimError('invalidValue', `There is no user ${stranger.slice(0, 60)}.`);
  }
}

/** Removes a group, once nobody has a role by it any more. */
export async function removeScimGroup(
  context: SyncContext,
  caller: Caller,
  signOn: SignOnRow,
  id: string,
): Promise<Refusal | null> {
  for (;;) {
    const named = await membersNow(context, signOn, id);
    // Whose row was edited stays in it, so that whoever asks again is told again: what he has could not be taken from him.
    const checked = await readCheckedRows(context.reader, ['scim_users'], named);
    const stay = new Set(checked.flatMap((one) => ('tampered' in one ? [one.tampered] : [])));
    const emptied = await saveScimGroup(context, caller, signOn, id, {
      change: (group) => ({ ...group, members: group.members.filter((member) => stay.has(member)) }),
      named,
    });
    if (isRefusal(emptied)) return emptied;
    const draft = { ...attribution(caller), action: 'scim-group.removed', subject: id, locks: [id] };
    const recorded = await context.ledger.record(draft, async (facts) => {
      const row = await facts.find('scim_groups', id);
      if (row?.sign_on_id !== signOn.id) throw notThere();
      // Somebody was added since: he has a role by it.
      if (membersOf(row).length > 0) return false;
      await facts.remove('scim_groups', row);
      return true;
    });
    if (isRefusal(recorded)) return recorded;
    if (recorded.value) return null;
  }
}

async function membersNow({ reader }: SyncContext, { id: signOn }: SignOnRow, id: string): Promise<readonly string[]> {
  const row = await findGroup(reader, signOn, id);
  if (row === undefined) throw notThere();
  return membersOf(row);
}
