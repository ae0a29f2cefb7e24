import { type Kysely, type RawBuilder, sql, SqliteAdapter } from 'kysely';
import type { Database } from './schema.ts';

/** What to select `bound.value` from: each text of a list that a column holds as JSON. */
export function elementsOf(db: Kysely<Database>, column: RawBuilder<unknown>): RawBuilder<unknown> {
  const isSqlite = db.getExecutor().adapter instanceof SqliteAdapter;
  return isSqlite
    ? sql`json_each(${column}) as bound`
    : sql`jsonb_array_elements_text(${column}::jsonb) as bound (value)`;
}
