import type { Leaf } from '@keyhold/protocol/leaf';
import { type ExpressionBuilder, type Kysely, sql } from 'kysely';
import type { Database } from '../../database/schema.ts';
import type { AppRoleRow, AppRoleSecretRow } from '../../database/workload-rows.ts';

type Db = Kysely<Database>;

export async function findAppRole(db: Db, environment: string, name: string): Promise<AppRoleRow | undefined> {
  const query = db.selectFrom('app_roles').selectAll().where('environment_id', '=', environment);
  return await query.where('name', '=', name).where('state', '=', 'active').executeTakeFirst();
}

/** Those that have this name, and the last one that had it; as the rows say. */
export async function rolesNamed(db: Db, environment: string, name: string): Promise<AppRoleRow[]> {
  const query = db.selectFrom('app_roles').selectAll().where('environment_id', '=', environment);
  const rows = await query.where('name', '=', name).orderBy('id', 'desc').execute();
  return rows.filter(({ state }, i) => state === 'active' || i === 0);
}

export async function findAppRoleById(db: Db, id: string): Promise<AppRoleRow | undefined> {
  return await db.selectFrom('app_roles').selectAll().where('id', '=', id).executeTakeFirst();
}

export async function listAppRoles(db: Db, environment: string): Promise<AppRoleRow[]> {
  const query = db.selectFrom('app_roles').selectAll().where('environment_id', '=', environment);
  return await query.where('state', '=', 'active').orderBy('name').execute();
}

export async function countAppRoles(db: Db, environment: string): Promise<number> {
  const query = db.selectFrom('app_roles').where('environment_id', '=', environment).where('state', '=', 'active');
  return Number((await query.select(({ fn }) => fn.countAll<number>().as('n')).executeTakeFirstOrThrow()).n);
}

export async function findByRoleId(db: Db, roleId: string): Promise<string | undefined> {
  const query = db.selectFrom('app_roles').select('id').where('role_id', '=', roleId);
  return (await query.executeTakeFirst())?.id;
}

export async function findSecretByDigest(db: Db, digest: string): Promise<AppRoleSecretRow | undefined> {
  return await db.selectFrom('app_role_secrets').selectAll().where('digest', '=', digest).executeTakeFirst();
}

export async function findAppSecret(db: Db, id: string): Promise<AppRoleSecretRow | undefined> {
  return await db.selectFrom('app_role_secrets').selectAll().where('id', '=', id).executeTakeFirst();
}

function isGoodAt(nowMs: number) {
  return ({ eb, and, or }: ExpressionBuilder<Database, 'app_role_secrets'>) =>
    and([
      eb('state', '=', 'active'),
      or([eb('expires_at', 'is', null), eb('expires_at', '>', nowMs)]),
      or([eb('uses_left', 'is', null), eb('uses_left', '>', 0)]),
    ]);
}

/** Ids of those that are good now. */
export async function listGoodSecrets(db: Db, role: string, nowMs: number, limit: number): Promise<string[]> {
  const query = db.selectFrom('app_role_secrets').select('id').where('app_role_id', '=', role);
  return (await query.where(isGoodAt(nowMs)).orderBy('id').limit(limit).execute()).map(({ id }) => id);
}

/** What a leaf says of the role that its secret id is of: canonical, it stands there in this one form. */
const saysRole = (role: string) => sql<boolean>`replace(leaf, ${`,"code":${JSON.stringify(role)},`}, '') <> leaf`;

/**
 * Ids of all secret ids that a role ever had: by the log, which says so also where somebody wrote past the ledger, and by
 * the rows, which are older than it where it was pruned.
 */
export async function secretIdsOf(db: Db, role: string): Promise<string[]> {
  const made = await db
    .selectFrom('entries')
    .select('subject')
    .where('action', '=', 'app-secret.created')
    .where(saysRole(role))
    .execute();
  const kept = await db.selectFrom('app_role_secrets').select('id').where('app_role_id', '=', role).execute();
  return [...new Set([...made.map(({ subject }) => subject), ...kept.map(({ id }) => id)])];
}

/** Id of the role that a secret id is of, by the log, and else by its row. */
export async function roleOfSecret(db: Db, id: string): Promise<string | undefined> {
  const query = db.selectFrom('entries').select('leaf').where('subject', '=', id);
  const entry = await query.where('action', '=', 'app-secret.created').executeTakeFirst();
  if (entry !== undefined) return (JSON.parse(entry.leaf) as Leaf).code;
  return (await findAppSecret(db, id))?.app_role_id;
}
