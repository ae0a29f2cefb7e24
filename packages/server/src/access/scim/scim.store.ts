import type { Kysely } from 'kysely';
import type { Database } from '../../database/schema.ts';
import type { ScimGroupRow, ScimUserRow } from '../../database/sign-on-rows.ts';
import { membersOf } from './scim.ts';

type Db = Kysely<Database>;

export interface Window {
  readonly offset: number;
  readonly limit: number;
}

export interface Found<Row> {
  readonly total: number;
  readonly rows: readonly Row[];
}

export async function findUser(db: Db, signOn: string, id: string): Promise<ScimUserRow | undefined> {
  const query = db.selectFrom('scim_users').selectAll().where('sign_on_id', '=', signOn).where('id', '=', id);
  return await query.executeTakeFirst();
}

export async function findUserNamed(db: Db, signOn: string, key: string): Promise<ScimUserRow | undefined> {
  const query = db.selectFrom('scim_users').selectAll().where('sign_on_id', '=', signOn);
  return await query.where('user_name_key', '=', key).executeTakeFirst();
}

export async function findUserOf(db: Db, signOn: string, person: string): Promise<ScimUserRow | undefined> {
  const query = db.selectFrom('scim_users').selectAll().where('sign_on_id', '=', signOn);
  return await query.where('person_id', '=', person).executeTakeFirst();
}

type UserColumn = 'id' | 'user_name_key' | 'external_id';

/** In the order in which they came. */
export async function listUsers(
  db: Db,
  signOn: string,
  where: { readonly column: UserColumn; readonly value: string } | null,
  { offset, limit }: Window,
): Promise<Found<ScimUserRow>> {
  let query = db.selectFrom('scim_users').where('sign_on_id', '=', signOn);
  if (where !== null) query = query.where(where.column, '=', where.value);
  const { total } = await query.select(({ fn }) => fn.countAll<number>().as('total')).executeTakeFirstOrThrow();
  const rows = await query.selectAll().orderBy('id').offset(offset).limit(limit).execute();
  return { total: Number(total), rows };
}

type GroupColumn = 'id' | 'display_name' | 'external_id';

export async function listGroups(
  db: Db,
  signOn: string,
  where: { readonly column: GroupColumn; readonly value: string } | null,
  { offset, limit }: Window,
): Promise<Found<ScimGroupRow>> {
  let query = db.selectFrom('scim_groups').where('sign_on_id', '=', signOn);
  if (where !== null) query = query.where(where.column, '=', where.value);
  const { total } = await query.select(({ fn }) => fn.countAll<number>().as('total')).executeTakeFirstOrThrow();
  const rows = await query.selectAll().orderBy('id').offset(offset).limit(limit).execute();
  return { total: Number(total), rows };
}

export async function findGroup(db: Db, signOn: string, id: string): Promise<ScimGroupRow | undefined> {
  const query = db.selectFrom('scim_groups').selectAll().where('sign_on_id', '=', signOn).where('id', '=', id);
  return await query.executeTakeFirst();
}

/** Ids of a provider's users, some at a time. */
export async function* userIds(db: Db, signOn: string): AsyncGenerator<readonly string[]> {
  for (let after = ''; ; ) {
    const rows = await db
      .selectFrom('scim_users')
      .select('id')
      .where('sign_on_id', '=', signOn)
      .where('id', '>', after)
      .orderBy('id')
      .limit(100)
      .execute();
    if (rows.length === 0) return;
    yield rows.map(({ id }) => id);
    after = rows.at(-1)?.id ?? after;
  }
}

/** Groups that each of these users is in. */
export async function groupsOf(
  db: Db,
  signOn: string,
  users: readonly string[],
): Promise<ReadonlyMap<string, readonly ScimGroupRow[]>> {
  const found = new Map<string, ScimGroupRow[]>(users.map((id) => [id, []]));
  if (users.length === 0) return found;
  for (const group of await db.selectFrom('scim_groups').selectAll().where('sign_on_id', '=', signOn).execute())
    for (const member of membersOf(group)) found.get(member)?.push(group);
  return found;
}

export async function namesOf(db: Db, people: readonly string[]): Promise<ReadonlyMap<string, string>> {
  if (people.length === 0) return new Map();
  const rows = await db
    .selectFrom('people')
    .select(['id', 'name'])
    .where('id', 'in', [...people])
    .execute();
  return new Map(rows.map(({ id, name }) => [id, name]));
}
