import type { Kysely } from 'kysely';
import type { Database } from '../../database/schema.ts';
import type { AppRoleRow, AppRoleSecretRow } from '../../database/workload-rows.ts';

type Db = Kysely<Database>;

export async function findAppRole(db: Db, environment: string, name: string): Promise<AppRoleRow | undefined> {
  const query = db.selectFrom('app_roles').selectAll().where('environment_id', '=', environment);
  return await query.where('name', '=', name).where('state', '=', 'active').executeTakeFirst();
}

export async function findAppRoleById(db: Db, id: string): Promise<AppRoleRow | undefined> {
  return await db.selectFrom('app_roles').selectAll().where('id', '=', id).executeTakeFirst();
}

export async function listAppRoles(db: Db, environment: string): Promise<AppRoleRow[]> {
  const query = db.selectFrom('app_roles').selectAll().where('environment_id', '=', environment);
  return await query.where('state', '=', 'active').orderBy('name').execute();
}

export async function findByRoleId(db: Db, roleId: string): Promise<string | undefined> {
  const query = db.selectFrom('app_roles').select('id').where('role_id', '=', roleId);
  return (await query.executeTakeFirst())?.id;
}

export async function findSecretByDigest(db: Db, digest: string): Promise<AppRoleSecretRow | undefined> {
  return await db.selectFrom('app_role_secrets').selectAll().where('digest', '=', digest).executeTakeFirst();
}

export async function findAppSecret(db: Db, role: string, id: string): Promise<AppRoleSecretRow | undefined> {
  const query = db.selectFrom('app_role_secrets').selectAll().where('app_role_id', '=', role);
  return await query.where('id', '=', id).executeTakeFirst();
}

/** Those that are not destroyed. */
export async function listSecrets(db: Db, role: string, limit: number): Promise<AppRoleSecretRow[]> {
  const query = db.selectFrom('app_role_secrets').selectAll().where('app_role_id', '=', role);
  return await query.where('state', '=', 'active').orderBy('id').limit(limit).execute();
}
