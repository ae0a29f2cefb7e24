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

/** Those that somebody began and that did not come to their end. */
export async function findUnfinished(db: Db): Promise<OffboardingRow[]> {
  return await db.selectFrom('offboardings').selectAll().where('state', '=', 'ending').orderBy('id').execute();
}

/** Sequences of the newest entries of rows. */
export async function newestEntries(db: Db, ids: readonly string[]): Promise<ReadonlyMap<string, number>> {
  if (ids.length === 0) return new Map();
  const rows = await db
    .selectFrom('row_heads')
    .select(['row_id', 'sequence'])
    .where('row_id', 'in', [...ids])
    .execute();
  return new Map(rows.map(({ row_id, sequence }) => [row_id, Number(sequence)]));
}

/** What people, tokens and workloads are called. */
export async function namesOf(db: Db, ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const names = new Map<string, string>();
  for (const table of ['people', 'tokens', 'workloads'] as const) {
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
