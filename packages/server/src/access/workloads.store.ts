import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import type { WorkloadRow } from '../database/workload-rows.ts';

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

const AT_ONCE = 500;

/**
 * Ids of tokens that were given to these since then: by the log, which says so whatever became of their rows, and by what
 * they are called, where the log was pruned.
 */
export async function givenTokens(db: Db, actors: readonly string[], name: string, sinceMs: number): Promise<string[]> {
  const found = new Set<string>();
  for (let i = 0; i < actors.length; i += AT_ONCE) {
    const given = await db
      .selectFrom('entries')
      .select('subject')
      .where('actor', 'in', actors.slice(i, i + AT_ONCE))
      .where('action', '=', 'token.exchanged')
      .where('at', '>', sinceMs)
      .execute();
    for (const { subject } of given) found.add(subject);
  }
  const named = db.selectFrom('tokens').select('id').where('name', '=', name).where('expires_at', '>', sinceMs);
  for (const { id } of await named.execute()) found.add(id);
  return [...found];
}
