import type { Kysely } from 'kysely';
import type { Database, LogExportRow } from '../database/schema.ts';
import { listEntries } from '../ledger/entries.store.ts';
import type { ExportBatch } from './export-target.ts';
import type { ExportProgress } from './exports.store.ts';
import type { PersonalParts } from './personal-parts.ts';
import { showEntry } from './show-entry.ts';

export const BATCH = 200;
/** Of the lines that go together: what is in front of many receivers takes a mebibyte. */
export const BATCH_BYTES = 256 * 1024;

interface Source {
  readonly reader: Kysely<Database>;
  readonly personal: PersonalParts;
  /** The newest entry. */
  readonly head: number;
  readonly atMs: number;
  /** Fewer than `BATCH_BYTES` where the target took no more. */
  readonly mostBytes: number;
}

/** The first entry that should be there and is not. */
export interface Gap {
  readonly missing: number;
}

/**
 * What goes next: the entries right behind the cursor, each one of them, or which one is missing. A batch that was on
 * its way is the same again, but for one that is larger than any is made: nobody may ever take that.
 * @returns null where there is nothing to send; a text where there is and it can't go now
 */
export async function nextBatch(
  { reader, personal, head, atMs, mostBytes }: Source,
  { personal: isPersonal }: LogExportRow,
  { sequence: after, sending }: ExportProgress,
): Promise<ExportBatch | Gap | string | null> {
  const again = sending !== null && sending > after;
  // Where little goes at once, little is read and opened for it.
  const most = again ? BATCH : Math.ceil((BATCH * mostBytes) / BATCH_BYTES);
  const to = Math.min(after + most, head, again ? sending : head);
  if (to <= after) return null;
  const entries = await listEntries(reader, { order: 'asc', from: after + 1, to, limit: BATCH });
  for (let i = 0; after + i < to; i++) {
    // INVARIANT: a cursor moves over entries that were sent, and over nothing else.
    if (entries[i]?.sequence !== after + i + 1) return { missing: after + i + 1 };
  }
  const shown = await Promise.all(entries.map((entry) => showEntry(isPersonal === 1 ? personal : null, entry)));
  // What is sealed now is sent when it is open: it would be missing for good.
  const sealed = shown.findIndex(({ sideState }) => sideState === 'sealed');
  if (sealed === 0 || (sealed > 0 && again)) {
    return `the personal part of entry ${after + sealed + 1} can't be read while the installation is sealed`;
  }
  const ready = sealed < 0 ? shown : shown.slice(0, sealed);
  const lines = fitting(
    ready.map((entry) => `${JSON.stringify(entry)}\n`),
    again ? BATCH_BYTES : mostBytes,
  );
  const hash = entries[lines.length - 1]?.hash ?? '';
  return { from: after + 1, to: after + lines.length, hash, lines: lines.join(''), atMs };
}

/** The first, and what else there is room for. */
function fitting(lines: readonly string[], mostBytes: number): readonly string[] {
  let bytes = 0;
  const over = lines.findIndex((line) => (bytes += Buffer.byteLength(line)) > mostBytes);
  return over < 0 ? lines : lines.slice(0, Math.max(1, over));
}
