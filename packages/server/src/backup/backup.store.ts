import { type Kysely, sql } from 'kysely';
import type { Database } from '../database/schema.ts';
import { BACKUP_TABLES, type BackupTable } from './backup-format.ts';

type Row = Readonly<Record<string, unknown>>;

/** Rows of a table beyond the key `after`, in its order. */
export async function readPage(
  db: Kysely<Database>,
  table: BackupTable,
  after: unknown,
  limit: number,
): Promise<{ rows: Row[]; last: unknown }> {
  const key = BACKUP_TABLES[table];
  const beyond = after === undefined ? sql`` : sql`where ${sql.ref(key)} > ${after}`;
  const { rows } =
    await sql<Row>`select * from ${sql.table(table)} ${beyond} order by ${sql.ref(key)} limit ${limit}`.execute(db);
  return { rows, last: rows.length < limit ? undefined : rows.at(-1)?.[key] };
}

export async function insertRestored(db: Kysely<Database>, table: BackupTable, rows: readonly Row[]): Promise<void> {
  await db
    .insertInto(table as 'keys')
    .values(rows as never)
    .execute();
}

/** True when nothing was ever written to it. */
export async function isEmpty(db: Kysely<Database>): Promise<boolean> {
  return (await db.selectFrom('ledger_head').select('one').executeTakeFirst()) === undefined;
}
