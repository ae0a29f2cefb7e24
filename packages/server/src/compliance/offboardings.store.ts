import type { Kysely } from 'kysely';
import type { OffboardingRow } from '../database/compliance-rows.ts';
import type { Database } from '../database/schema.ts';

type Db = Kysely<Database>;

export async function findOffboarding(db: Db, id: string): Promise<OffboardingRow | undefined> {
  return await db.selectFrom('offboardings').selectAll().where('id', '=', id).executeTakeFirst();
}

/** Newest first. */
export async function listOffboardings(db: Db, after: string | undefined, limit: number): Promise<OffboardingRow[]> {
  let query = db.selectFrom('offboardings').selectAll().orderBy('id', 'desc').limit(limit);
  if (after !== undefined) query = query.where('id', '<', after);
  return await query.execute();
}

/**
 * Ids of those that somebody began and that did not come to their end.
 * @param of one person, token, workload or AppRole
 */
export async function findUnfinished(db: Db, of?: string): Promise<string[]> {
  let query = db.selectFrom('offboardings').select('id').where('state', '=', 'ending').orderBy('id');
  if (of !== undefined) query = query.where('principal_id', '=', of);
  const rows = await query.execute();
  return rows.map(({ id }) => id);
}

/** What people, tokens and workloads are called. */
export async function namesOf(db: Db, ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const names = new Map<string, string>();
  for (const table of ['people', 'tokens', 'workloads', 'app_roles'] as const) {
    if (ids.length === 0) break;
    const rows = await db
      .selectFrom(table as 'tokens')
      .select(['id', 'name'])
      .where('id', 'in', [...ids])
      .execute();
    for (const { id, name } of rows) names.set(id, name);
  }
  return names;
}
