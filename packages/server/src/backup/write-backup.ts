import { createHash } from 'node:crypto';
import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import type { Store } from '../database/store.ts';
import { readHead } from '../ledger/head.ts';
import { BACKUP_TABLES, BACKUP_VERSION, type BackupHeader, type BackupTable } from './backup-format.ts';
import { readPage } from './backup.store.ts';

/** Rows read at once; of tables with large rows fewer. */
const PAGE = 500;
const PAGE_OF_LARGE = 8;
const LARGE: ReadonlySet<BackupTable> = new Set(['secret_versions', 'deliveries']);

/** The lines of a backup, of one unchanging state of the database, while the installation goes on serving. */
export function writeBackup(store: Store, nowMs: number): ReadableStream<Uint8Array> {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>(undefined, undefined, {
    highWaterMark: 4,
  });
  const writer = writable.getWriter();
  void store
    .readSnapshot(async (db) => {
      for await (const line of linesOf(db, nowMs)) await writer.write(line);
    })
    .then(
      () => writer.close(),
      // Whoever reads it gets no manifest, and so no backup.
      (error: unknown) => writer.abort(error),
    )
    .catch(() => {});
  return readable;
}

async function* linesOf(db: Kysely<Database>, nowMs: number): AsyncGenerator<Uint8Array> {
  const digest = createHash('sha256');
  const line = (value: unknown) => {
    const bytes = Buffer.from(`${JSON.stringify(value)}\n`);
    digest.update(bytes);
    return bytes;
  };
  const head = await readHead(db);
  if (head === undefined) throw new Error('there is nothing to back up');
  const { installation, epoch, sequence, hash } = head;
  const at = new Date(nowMs).toISOString();
  yield line({ 'keyhold-backup': BACKUP_VERSION, installation, epoch, sequence, hash, at } satisfies BackupHeader);
  const counts: Record<string, number> = {};
  for (const table of Object.keys(BACKUP_TABLES) as BackupTable[]) {
    counts[table] = 0;
    for (let after: unknown, more = true; more; ) {
      const page = await readPage(db, table, after, LARGE.has(table) ? PAGE_OF_LARGE : PAGE);
      for (const row of page.rows) yield line([table, row]);
      counts[table] += page.rows.length;
      after = page.last;
      more = after !== undefined;
    }
  }
  yield Buffer.from(`${JSON.stringify({ rows: counts, sha256: digest.digest('hex') })}\n`);
}
