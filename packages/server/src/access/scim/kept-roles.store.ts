import type { Kysely } from 'kysely';
import type { Database } from '../../database/schema.ts';
import type { ScimGroupRow, SignOnRow } from '../../database/sign-on-rows.ts';
import { readCheckedRows } from '../../ledger/checked-rows.ts';
import type { Facts } from '../../ledger/facts.ts';
import { rowDigest } from '../../ledger/row-digest.ts';
import type { Wanted } from '../sign-on/set-roles.ts';
import { mappedRolesOf, rolesFor } from '../sign-on/sign-on.ts';
import { membersOf } from './scim.ts';
import { findUserOf } from './scim.store.ts';

type Db = Kysely<Database>;

/** A group that gives roles, as it was read, and found to be what the ledger recorded. */
export interface GivingGroup {
  readonly id: string;
  readonly digest: string;
  readonly name: string;
  readonly members: ReadonlySet<string>;
}

/** Ids of groups that give a role: few, however many there are. */
async function givingIds(db: Db, signOn: SignOnRow): Promise<string[]> {
  const names = [...new Set(mappedRolesOf(signOn).map(({ group }) => group))];
  if (names.length === 0) return [];
  const query = db.selectFrom('scim_groups').select('id').where('sign_on_id', '=', signOn.id);
  return (await query.where('display_name', 'in', names).execute()).map(({ id }) => id);
}

const asGiving = (row: ScimGroupRow): GivingGroup => ({
  ...{ id: row.id, digest: rowDigest(row), name: row.display_name },
  members: new Set(membersOf(row)),
});

/** Groups of a provider's that give roles now; what was written past the ledger gives nothing. */
export async function readGiving(db: Db, signOn: SignOnRow): Promise<readonly GivingGroup[]> {
  const checked = await readCheckedRows(db, ['scim_groups'], await givingIds(db, signOn));
  const rows = checked.flatMap((one) => ('tampered' in one ? [] : [one.row as ScimGroupRow]));
  return rows.filter(({ sign_on_id }) => sign_on_id === signOn.id).map(asGiving);
}

/**
 * The same within a change.
 * @param read what was read before it: none of it is read again that is still so. A group may be very large, and whoever
 *   writes waits.
 */
export async function givingWithin(
  facts: Facts,
  signOn: SignOnRow,
  read: readonly GivingGroup[],
): Promise<readonly GivingGroup[]> {
  const groups: GivingGroup[] = [];
  for (const id of await givingIds(facts.db, signOn)) {
    const digest = await facts.headOf(id);
    const known = read.find((group) => group.id === id && group.digest === digest);
    if (known !== undefined) {
      groups.push(known);
      continue;
    }
    const { row, tampered } = await facts.examine('scim_groups', id);
    if (row !== undefined && !tampered && row.sign_on_id === signOn.id) groups.push(asGiving(row));
  }
  return groups;
}

/** What these groups give a user of theirs. */
export function rolesIn(signOn: SignOnRow, groups: readonly GivingGroup[], user: string): readonly Wanted[] {
  const names = groups.filter(({ members }) => members.has(user)).map(({ name }) => name);
  return rolesFor(mappedRolesOf(signOn), names).map((held) => ({ held, expiresAt: null }));
}

/** What groups give a person within a change, where the provider keeps him here. */
export async function rolesKeptOf(
  facts: Facts,
  signOn: SignOnRow,
  person: string,
  read: readonly GivingGroup[],
): Promise<readonly Wanted[]> {
  const known = await findUserOf(facts.db, signOn.id, person);
  const user = known === undefined ? undefined : await facts.find('scim_users', known.id);
  if (user?.person_id !== person || user.active !== 1) return [];
  return rolesIn(signOn, await givingWithin(facts, signOn, read), user.id);
}
