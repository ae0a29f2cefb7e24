import type { Kysely } from 'kysely';
import type { Database, TokenRow } from '../database/schema.ts';
import type { WorkloadRow } from '../database/workload-rows.ts';
import { tokenNameOf } from './workload.ts';

type Db = Kysely<Database>;

/** Ids of those that trust an issuer. */
export async function workloadsOf(db: Db, issuer: string): Promise<string[]> {
  const rows = await db
    .selectFrom('workloads')
    .select('id')
    .where('issuer', '=', issuer)
    .where('state', '=', 'active')
    .execute();
  return rows.map(({ id }) => id);
}

/** Newest first. */
export async function listWorkloads(db: Db, after: string | undefined, limit: number): Promise<WorkloadRow[]> {
  let query = db.selectFrom('workloads').selectAll().orderBy('id', 'desc').limit(limit);
  if (after !== undefined) query = query.where('id', '<', after);
  return await query.execute();
}

export async function findWorkload(db: Db, id: string): Promise<WorkloadRow | undefined> {
  return await db.selectFrom('workloads').selectAll().where('id', '=', id).executeTakeFirst();
}

/** Tokens of a workload that are not over yet. */
export async function livingTokensOf(db: Db, workload: Pick<WorkloadRow, 'id'>, nowMs: number): Promise<TokenRow[]> {
  return await db
    .selectFrom('tokens')
    .selectAll()
    .where('name', '=', tokenNameOf(workload))
    .where('state', '=', 'active')
    .where('expires_at', '>', nowMs)
    .execute();
}
