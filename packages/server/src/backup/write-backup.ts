import { createHash } from 'node:crypto';
import type { Kysely } from 'kysely';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/schema.ts';
import type { Store } from '../database/store.ts';
import { readHead } from '../ledger/head.ts';
import { BACKUP_TABLES, BACKUP_VERSION, type BackupHeader, type BackupTable } from './backup-format.ts';
import { readPage } from './backup.store.ts';
import { PatientStream } from './patient-stream.ts';

/** Rows read at once; of tables with large rows fewer. */
const PAGE = 500;
const PAGE_OF_LARGE = 8;
const LARGE: ReadonlySet<BackupTable> = new Set(['secret_versions', 'deliveries']);

/** How long a backup waits for its reader. */
const PATIENCE_MS = 60_000;

export interface WrittenBackup {
  readonly lines: ReadableStream<Uint8Array>;
  /** Settles once the database is let go; rejects where the lines are not whole. */
  readonly ended: Promise<void>;
}

/**
 * The lines of a backup, of one unchanging state of the database, while the installation goes on serving.
 * INVARIANT: whoever does not read holds that state for `patienceMs` at most; it keeps what is written meanwhile from
 * being folded away.
 */
export function writeBackup(store: Store, clock: Clock, patienceMs = PATIENCE_MS): WrittenBackup {
  const nowMs = clock.wall();
  const stream = new PatientStream(clock, patienceMs);
  const ended = store
    .readSnapshot(async (db) => {
      for await (const line of linesOf(db, nowMs)) await stream.write(line);
    })
    .then(
      () => stream.close(),
      (error: unknown) => {
        // Whoever reads it gets no manifest, and so no backup.
        stream.abort(error);
        throw error;
      },
    );
  return { lines: stream.readable, ended };
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
