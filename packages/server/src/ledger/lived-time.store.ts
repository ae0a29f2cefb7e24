import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import type { ScratchTables } from '../database/scratch-tables.ts';

export async function readLivedTime(db: Kysely<Database>): Promise<number | null> {
  const row = await db.selectFrom('lived_time').select('at').executeTakeFirst();
  return row === undefined ? null : Number(row.at);
}

export async function keepLivedTime(tables: Kysely<ScratchTables>, at: number): Promise<void> {
  await tables
    .insertInto('lived_time')
    .values({ one: 1, at })
    .onConflict((conflict) => conflict.column('one').doUpdateSet({ at }))
    .execute();
}
