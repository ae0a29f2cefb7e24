import { type Kysely, sql } from 'kysely';
import type { Database } from '../../database/schema.ts';
import type { ScratchTables } from '../../database/scratch-tables.ts';

export type KeptDecision = ScratchTables['decisions'];

const ROWS_PER_STATEMENT = 50;

/** Adds to what was counted before. */
export async function keepDecisions(tables: Kysely<ScratchTables>, rows: readonly KeptDecision[]): Promise<void> {
  for (let i = 0; i < rows.length; i += ROWS_PER_STATEMENT) {
    await tables
      .insertInto('decisions')
      .values(rows.slice(i, i + ROWS_PER_STATEMENT))
      .onConflict((conflict) =>
        conflict.column('id').doUpdateSet({
          count: sql<number>`decisions.count + excluded.count`,
          last_at: sql<number>`excluded.last_at`,
        }),
      )
      .execute();
  }
}

export async function forgetDecisions(tables: Kysely<ScratchTables>, before: number, max: number): Promise<void> {
  await tables.deleteFrom('decisions').where('hour', '<', before).execute();
  const oldest = await tables
    .selectFrom('decisions')
    .select('hour')
    .orderBy('hour', 'desc')
    .offset(max)
    .limit(1)
    .executeTakeFirst();
  if (oldest !== undefined) await tables.deleteFrom('decisions').where('hour', '<=', oldest.hour).execute();
}

/** All that is kept of what somebody asked. */
export async function forgetDecisionsOf(tables: Kysely<ScratchTables>, principal: string): Promise<void> {
  await tables.deleteFrom('decisions').where('principal_id', '=', principal).execute();
}

export interface DecisionFilter {
  readonly actions: readonly string[];
  /** Null: of all. */
  readonly project: string | null;
  /** Not older. */
  readonly from: number;
  readonly limit: number;
}

/** Newest first. */
export async function listDecisions(
  db: Kysely<Database>,
  { actions, project, from, limit }: DecisionFilter,
): Promise<KeptDecision[]> {
  if (actions.length === 0) return [];
  let query = db
    .selectFrom('decisions')
    .selectAll()
    .where('hour', '>=', from)
    .where('action', 'in', [...actions])
    .orderBy('last_at', 'desc')
    .limit(limit);
  if (project !== null) query = query.where('project_id', '=', project);
  return await query.execute();
}
