import type { Kysely } from 'kysely';
import type { CustomRoleRow } from '../database/people-rows.ts';
import type { Database } from '../database/schema.ts';

type Db = Kysely<Database>;

/** Newest first. */
export async function listCustomRoles(db: Db, after: string | undefined, limit: number): Promise<CustomRoleRow[]> {
  let query = db.selectFrom('custom_roles').selectAll().orderBy('id', 'desc').limit(limit);
  if (after !== undefined) query = query.where('id', '<', after);
  return await query.execute();
}

export async function findCustomRole(db: Db, name: string): Promise<CustomRoleRow | undefined> {
  return await db.selectFrom('custom_roles').selectAll().where('name', '=', name).executeTakeFirst();
}

/** Whether somebody holds a role of that name that is not ended, be it over by time. */
export async function isHeld(db: Db, name: string): Promise<boolean> {
  const held = db.selectFrom('role_grants').select('id').where('role', '=', name).where('state', '=', 'active');
  return (await held.limit(1).executeTakeFirst()) !== undefined;
}
