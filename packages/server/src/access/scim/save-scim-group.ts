import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import type { Kysely } from 'kysely';
import type { Database } from '../../database/schema.ts';
import type { ScimGroupRow, SignOnRow } from '../../database/sign-on-rows.ts';
import { attribution, type Caller } from '../change-context.ts';
import { membersOf, notThere, ScimError, type ScimGroup, taken } from './scim.ts';
import { findGroup } from './scim.store.ts';
import { type SyncContext, syncRoles } from './sync-roles.ts';

/** What a group is from now on, made from what it is within the change: of two changes at a moment none is lost. */
export type Change = (before: ScimGroup) => ScimGroup;

const asGroup = (row: ScimGroupRow): ScimGroup => ({
  displayName: row.display_name,
  externalId: row.external_id,
  members: membersOf(row),
});

/** Makes a group, or changes it; whoever is in it, or was, has the roles of his groups of now before this returns. */
export async function saveScimGroup(
  context: SyncContext,
  caller: Caller,
  signOn: SignOnRow,
  known: string | null,
  change: Change,
): Promise<ScimGroupRow | Refusal> {
  const { ledger, random, clock } = context;
  const id = known ?? random.newId('scimGroup');
  const by = attribution(caller);
  const draft = { ...by, action: known === null ? 'scim-group.created' : 'scim-group.changed', subject: id };
  const recorded = await ledger.record({ ...draft, locks: [id, signOn.id] }, async (facts) => {
    if ((await facts.find('sign_ons', signOn.id)) === undefined) throw notThere();
    const row = known === null ? undefined : await facts.find('scim_groups', id);
    if (known !== null && row === undefined) throw notThere();
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
  await syncRoles(context, { ...by, idempotency: undefined }, signOn, concerned);
  return saved;
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

/** Removes a group, and the roles that it gave. */
export async function removeScimGroup(
  context: SyncContext,
  caller: Caller,
  signOn: SignOnRow,
  id: string,
): Promise<Refusal | null> {
  const by = attribution(caller);
  const draft = { ...by, action: 'scim-group.removed', subject: id, locks: [id] };
  const recorded = await context.ledger.record(draft, async (facts) => {
    const row = (await findGroup(facts.db, signOn.id, id)) && (await facts.find('scim_groups', id));
    if (row === undefined) throw notThere();
    await facts.remove('scim_groups', row);
    return membersOf(row);
  });
  if (isRefusal(recorded)) return recorded;
  await syncRoles(context, { ...by, idempotency: undefined }, signOn, recorded.value);
  return null;
}
