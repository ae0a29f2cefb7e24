import { type Kysely, sql } from 'kysely';
import type { Database } from '../../database/schema.ts';
import type { ScimGroupRow, ScimUserRow } from '../../database/sign-on-rows.ts';

type Db = Kysely<Database>;

export interface Window {
  readonly offset: number;
  readonly limit: number;
}

export interface Found<Row> {
  readonly total: number;
  readonly rows: readonly Row[];
}

/** A user, and the person that he is. */
export type UserWithPerson = ScimUserRow & { readonly name: string; readonly person_state: string };

function users(db: Db, signOn: string) {
  return db
    .selectFrom('scim_users')
    .innerJoin('people', 'people.id', 'scim_users.person_id')
    .where('scim_users.sign_on_id', '=', signOn);
}

export async function findUser(db: Db, signOn: string, id: string): Promise<UserWithPerson | undefined> {
  return await users(db, signOn)
    .selectAll('scim_users')
    .select(['people.name', 'people.state as person_state'])
    .where('scim_users.id', '=', id)
    .executeTakeFirst();
}

export async function findUserNamed(db: Db, signOn: string, key: string): Promise<ScimUserRow | undefined> {
  const query = db.selectFrom('scim_users').selectAll().where('sign_on_id', '=', signOn);
  return await query.where('user_name_key', '=', key).executeTakeFirst();
}

export async function findUserOf(db: Db, signOn: string, person: string): Promise<ScimUserRow | undefined> {
  const query = db.selectFrom('scim_users').selectAll().where('sign_on_id', '=', signOn);
  return await query.where('person_id', '=', person).executeTakeFirst();
}

/** A person at every provider that keeps him here. */
export async function usersOf(db: Db, person: string): Promise<ScimUserRow[]> {
  return await db.selectFrom('scim_users').selectAll().where('person_id', '=', person).orderBy('id').execute();
}

type UserColumn = 'id' | 'user_name_key' | 'external_id';

/** In the order in which they came. */
export async function listUsers(
  db: Db,
  signOn: string,
  where: { readonly column: UserColumn; readonly value: string } | null,
  { offset, limit }: Window,
): Promise<Found<UserWithPerson>> {
  let query = users(db, signOn);
  if (where !== null) query = query.where(`scim_users.${where.column}`, '=', where.value);
  const { total } = await query.select(({ fn }) => fn.countAll<number>().as('total')).executeTakeFirstOrThrow();
  const rows = await query
    .selectAll('scim_users')
    .select(['people.name', 'people.state as person_state'])
    .orderBy('scim_users.id')
    .offset(offset)
    .limit(limit)
    .execute();
  return { total: Number(total), rows };
}

type GroupColumn = 'id' | 'display_name' | 'external_id';
const WITHOUT_MEMBERS = [
  'id',
  'salt',
  'sign_on_id',
  'display_name',
  'external_id',
  'created_at',
  'updated_at',
] as const;

/** @param withMembers else none is read: there may be very many */
export async function listGroups(
  db: Db,
  signOn: string,
  where: { readonly column: GroupColumn; readonly value: string } | null,
  { offset, limit }: Window,
  withMembers: boolean,
): Promise<Found<ScimGroupRow>> {
  let query = db.selectFrom('scim_groups').where('sign_on_id', '=', signOn);
  if (where !== null) query = query.where(where.column, '=', where.value);
  const { total } = await query.select(({ fn }) => fn.countAll<number>().as('total')).executeTakeFirstOrThrow();
  const page = query.orderBy('id').offset(offset).limit(limit);
  if (withMembers) return { total: Number(total), rows: await page.selectAll().execute() };
  const rows = await page.select(WITHOUT_MEMBERS).execute();
  return { total: Number(total), rows: rows.map((row) => ({ ...row, members: '[]' })) };
}

export async function findGroup(db: Db, signOn: string, id: string): Promise<ScimGroupRow | undefined> {
  const query = db.selectFrom('scim_groups').selectAll().where('sign_on_id', '=', signOn).where('id', '=', id);
  return await query.executeTakeFirst();
}

export async function countGroups(db: Db, signOn: string): Promise<number> {
  const query = db.selectFrom('scim_groups').where('sign_on_id', '=', signOn);
  return Number((await query.select(({ fn }) => fn.countAll<number>().as('n')).executeTakeFirstOrThrow()).n);
}

/** Ids of groups that a user is in. */
export async function groupsWith(db: Db, signOn: string, user: string): Promise<string[]> {
  const query = db.selectFrom('scim_groups').select('id').where('sign_on_id', '=', signOn);
  const isIn = sql<boolean>`replace(members, ${JSON.stringify(user)}, '') <> members`;
  return (await query.where(isIn).execute()).map(({ id }) => id);
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
      .limit(500)
      .execute();
    if (rows.length === 0) return;
    yield rows.map(({ id }) => id);
    after = rows.at(-1)?.id ?? after;
  }
}
