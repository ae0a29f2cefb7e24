import type { Kysely } from 'kysely';
import type { BreakGlassRow } from '../../database/people-rows.ts';
import type { Database } from '../../database/schema.ts';

type Db = Kysely<Database>;

/** Newest first. */
export async function listBreakGlass(db: Db, after: string | undefined, limit: number): Promise<BreakGlassRow[]> {
  let query = db.selectFrom('break_glass').selectAll().orderBy('id', 'desc').limit(limit);
  if (after !== undefined) query = query.where('id', '<', after);
  return await query.execute();
}

/** One of this person since then that nobody has reviewed. */
export async function findUnreviewedOf(db: Db, person: string, sinceMs: number): Promise<BreakGlassRow | undefined> {
  return await db
    .selectFrom('break_glass')
    .selectAll()
    .where('person_id', '=', person)
    .where('state', '!=', 'reviewed')
    .where('created_at', '>', sinceMs)
    .executeTakeFirst();
}

/** Ids of those that are over since then, and that nobody reviewed. */
export async function findUnreviewed(db: Db, sinceMs: number): Promise<string[]> {
  const rows = await db
    .selectFrom('break_glass')
    .select('id')
    .where('state', '!=', 'reviewed')
    .where('expires_at', '<', sinceMs)
    .execute();
  return rows.map(({ id }) => id);
}
