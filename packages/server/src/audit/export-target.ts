import { closeSync, fsyncSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type KeyObject, sign } from 'node:crypto';
import type { LogExportRow } from '../database/schema.ts';

/** Entries that go out together, as JSON Lines. */
export interface ExportBatch {
  /** Of the first and the last. */
  readonly from: number;
  readonly to: number;
  readonly lines: string;
  readonly atMs: number;
}

const TIMEOUT_MS = 10_000;

/**
 * Sends a batch by HTTP, signed as Standard Webhooks has it (`v1a`: Ed25519 over `id.timestamp.body`), so that the
 * receiver needs no secret of ours. The id is the same when it is sent again: by it the receiver knows what he has.
 * @throws Error where it did not arrive for certain
 */
export async function postBatch(row: LogExportRow, batch: ExportBatch, key: KeyObject): Promise<void> {
  const id = `${row.id}.${batch.from}-${batch.to}`;
  const timestamp = String(Math.floor(batch.atMs / 1_000));
  const signature = sign(null, Buffer.from(`${id}.${timestamp}.${batch.lines}`), key).toString('base64');
  const response = await fetch(row.url as string, {
    method: 'POST',
    // What a target says somewhere else to look is nothing that we were told to talk to.
    redirect: 'error',
    signal: AbortSignal.timeout(TIMEOUT_MS),
    headers: {
      'content-type': 'application/x-ndjson',
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      'webhook-signature': `v1a,${signature}`,
      'keyhold-from': String(batch.from),
      'keyhold-to': String(batch.to),
    },
    body: batch.lines,
  });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`it answered ${response.status}`);
}

/** Where the file of an export lies. */
export function exportFile(folder: string, name: string): string {
  return join(folder, `${name}.jsonl`);
}

/** Appends a batch to the export's file, synced: what it was told of is there. */
export function appendBatch(file: string, { lines }: ExportBatch): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const opened = openSync(file, 'a', 0o600);
  try {
    writeSync(opened, lines);
    fsyncSync(opened);
  } finally {
    closeSync(opened);
  }
}
