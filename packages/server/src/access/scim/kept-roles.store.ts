import type { Kysely } from 'kysely';
import type { Database } from '../../database/schema.ts';
import type { ScimGroupRow, SignOnRow } from '../../database/sign-on-rows.ts';
import { readCheckedRows } from '../../ledger/checked-rows.ts';
import type { Facts } from '../../ledger/facts.ts';
import type { Wanted } from '../sign-on/set-roles.ts';
import { mappedRolesOf, rolesFor } from '../sign-on/sign-on.ts';
import { hasMember } from './scim.ts';
import { findUserOf } from './scim.store.ts';

type Db = Kysely<Database>;

/** Ids of groups that give a role: few, however many there are. */
async function givingGroups(db: Db, signOn: SignOnRow): Promise<string[]> {
  const names = [...new Set(mappedRolesOf(signOn).map(({ group }) => group))];
  if (names.length === 0) return [];
  const query = db.selectFrom('scim_groups').select('id').where('sign_on_id', '=', signOn.id);
  return (await query.where('display_name', 'in', names).execute()).map(({ id }) => id);
}

function rolesIn(signOn: SignOnRow, groups: readonly ScimGroupRow[], user: string): readonly Wanted[] {
  const own = groups.filter((group) => group.sign_on_id === signOn.id && hasMember(group, user));
  const names = own.map(({ display_name }) => display_name);
  return rolesFor(mappedRolesOf(signOn), names).map((held) => ({ held, expiresAt: null }));
}

/** What the groups that a provider keeps here give its users now, to look whether anything has changed. */
export async function keptRoles(db: Db, signOn: SignOnRow): Promise<(user: string) => readonly Wanted[]> {
  const checked = await readCheckedRows(db, ['scim_groups'], await givingGroups(db, signOn));
  const groups = checked.flatMap((one) => ('tampered' in one ? [] : [one.row as ScimGroupRow]));
  return (user) => rolesIn(signOn, groups, user);
}

/** The same for one of them within a change. @throws TamperedRow where a row was written past the ledger */
export async function rolesKeptFor(facts: Facts, signOn: SignOnRow, user: string): Promise<readonly Wanted[]> {
  const groups: ScimGroupRow[] = [];
  for (const id of await givingGroups(facts.db, signOn)) {
    const group = await facts.find('scim_groups', id);
    if (group !== undefined) groups.push(group);
  }
  return rolesIn(signOn, groups, user);
}

/** The same for a person, where the provider keeps him here. */
export async function rolesKeptOf(facts: Facts, signOn: SignOnRow, person: string): Promise<readonly Wanted[]> {
  const known = await findUserOf(facts.db, signOn.id, person);
  const user = known === undefined ? undefined : await facts.find('scim_users', known.id);
  return user?.person_id === person && user.active === 1 ? await rolesKeptFor(facts, signOn, user.id) : [];
}
