import type { Kysely } from 'kysely';
import type { Database, LogExportRow } from '../database/schema.ts';
import type { ScratchTables } from '../database/scratch-tables.ts';

type Db = Kysely<Database>;

/** How far an export has come. */
export type ExportProgress = Omit<ScratchTables['log_export_progress'], 'export_id'>;

export async function listExports(db: Db): Promise<LogExportRow[]> {
  return await db.selectFrom('log_exports').selectAll().orderBy('id').execute();
}

export async function findExportByName(db: Db, name: string): Promise<string | undefined> {
  const row = await db.selectFrom('log_exports').select('id').where('name', '=', name).executeTakeFirst();
  return row?.id;
}

export async function readProgress(db: Db, id: string): Promise<ExportProgress | undefined> {
  return await db
    .selectFrom('log_export_progress')
    .select(['sequence', 'sending', 'failures', 'last_error', 'delivered_at'])
    .where('export_id', '=', id)
    .executeTakeFirst();
}

/** Of every export, and of those that are gone. */
export async function listProgress(db: Db): Promise<ReadonlyMap<string, ExportProgress>> {
  const rows = await db.selectFrom('log_export_progress').selectAll().execute();
  return new Map(rows.map(({ export_id, ...progress }) => [export_id, progress]));
}

export async function forgetProgress(tables: Kysely<ScratchTables>, ids: readonly string[]): Promise<void> {
  await tables.deleteFrom('log_export_progress').where('export_id', 'in', ids).execute();
}

export async function keepProgress(tables: Kysely<ScratchTables>, id: string, progress: ExportProgress): Promise<void> {
  await tables
    .insertInto('log_export_progress')
    .values({ export_id: id, ...progress })
    .onConflict((conflict) => conflict.column('export_id').doUpdateSet(progress))
    .execute();
}
