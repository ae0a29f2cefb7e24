import { createHash } from 'node:crypto';
import type { DrillStep } from '@keyhold/protocol/operations/backup';
import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import type { Store } from '../database/store.ts';
import { isStoreFault } from '../database/store-fault.ts';
import { storeUnknownHolder } from '../feed/lease-holders.store.ts';
import { FACT_TABLES, readChecked } from '../ledger/checked-rows.ts';
import { readHead } from '../ledger/head.ts';
import { verifyChain } from '../ledger/verify-chain.ts';
import {
  BACKUP_TABLES,
  type BackupHeader,
  type BackupManifest,
  type BackupTable,
  isHeader,
  isManifest,
  isRecord,
} from './backup-format.ts';
import { insertRestored, isEmpty } from './backup.store.ts';

/** The backup can't be restored; says why. Nothing of it was written. */
export class RestoreRefused extends Error {
  override readonly name = 'RestoreRefused';
  /** Of a drill, what it failed in. */
  readonly step: DrillStep;

  constructor(message: string, step: DrillStep = 'restore') {
    super(message);
    this.step = step;
  }
}

export interface Restored {
  readonly header: BackupHeader;
  readonly rows: number;
}

const BATCH = 50;

/**
 * Restores a backup into an empty database, in one transaction: all of it, with every row and the whole chain checked,
 * or nothing.
 * @throws RestoreRefused
 */
export async function restoreBackup(store: Store, lines: AsyncIterable<Uint8Array>): Promise<Restored> {
  return await store.writer.alone(() =>
    store.writer.transaction(async (db) => {
      if (!(await isEmpty(db))) throw new RestoreRefused('the database is not empty: restore into a new one');
      const { header, rows } = await insertAll(db, lines);
      await checkRestored(db, header);
      // In the same transaction: nothing else tells a start that who holds leases was left out, where no entry is missing.
      await storeUnknownHolder(db);
      return { header, rows };
    }),
  );
}

async function insertAll(db: Kysely<Database>, lines: AsyncIterable<Uint8Array>): Promise<Restored> {
  const digest = createHash('sha256');
  const counts: Record<string, number> = Object.fromEntries(Object.keys(BACKUP_TABLES).map((table) => [table, 0]));
  let header: BackupHeader | undefined;
  let manifest: BackupManifest | undefined;
  let pending: { table: BackupTable; rows: Record<string, unknown>[] } | undefined;
  const flush = async () => {
    if (pending !== undefined) await insertOrRefuse(db, pending.table, pending.rows);
    pending = undefined;
  };
  for await (const bytes of lines) {
    const value = parse(bytes);
    if (header === undefined) header = headerOf(value);
    else if (manifest !== undefined) throw new RestoreRefused('something follows the manifest');
    else if (Array.isArray(value)) {
      const [table, row] = value as [BackupTable, unknown];
      if (!Object.hasOwn(BACKUP_TABLES, table))
        throw new RestoreRefused(`it has a table "${table}" that is unknown here`);
      if (!isRecord(row)) throw new RestoreRefused(`a row of ${table} is none`);
      if (pending?.table !== table || pending.rows.length >= BATCH) await flush();
      pending ??= { table, rows: [] };
      pending.rows.push(row);
      counts[table] = (counts[table] ?? 0) + 1;
    } else {
      if (!isManifest(value)) throw new RestoreRefused('its last line is no manifest: it is not whole, or damaged');
      manifest = value;
      continue;
    }
    digest.update(bytes);
  }
  await flush();
  if (header === undefined || manifest === undefined)
    throw new RestoreRefused('it ends before its manifest: it is not whole');
  if (manifest.sha256 !== digest.digest('hex'))
    throw new RestoreRefused('its bytes are not those that its manifest names');
  for (const [table, count] of Object.entries(manifest.rows)) {
    if (counts[table] !== count)
      throw new RestoreRefused(`its manifest names ${count} rows of ${table}, and it has ${counts[table]}`);
  }
  return { header, rows: Object.values(counts).reduce((sum, count) => sum + count, 0) };
}

/** What the database says of a row that it does not take may repeat what is in it, and is told to nobody. */
async function insertOrRefuse(db: Kysely<Database>, table: BackupTable, rows: readonly Record<string, unknown>[]) {
  try {
    await insertRestored(db, table, rows);
  } catch (error) {
    if (isStoreFault(error)) throw error;
    throw new RestoreRefused(`a row of ${table} does not fit here: it is of another version of Keyhold, or damaged`);
  }
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    throw new RestoreRefused('a line of it is not JSON: it is not a backup, or damaged');
  }
}

function headerOf(value: unknown): BackupHeader {
  if (isHeader(value)) return value;
  throw new RestoreRefused('it is not a backup of this version of Keyhold');
}

async function checkRestored(db: Kysely<Database>, { sequence, hash }: BackupHeader): Promise<void> {
  const head = await readHead(db);
  if (head?.sequence !== sequence || head.hash !== hash)
    throw new RestoreRefused('its head is not the one that it names');
  const fault = await verifyChain(db, head);
  if (fault !== null) throw new RestoreRefused(`entry ${fault.sequence}: ${fault.detail}`);
  for (const table of FACT_TABLES) {
    for (let after: string | null = ''; after !== null; ) {
      const page = await readChecked(db, table, after, BATCH);
      const wrong = page.rows.find((row) => 'tampered' in row);
      if (wrong !== undefined && 'tampered' in wrong)
        throw new RestoreRefused(`${wrong.tampered} is not what was recorded`);
      after = page.last;
    }
  }
}
