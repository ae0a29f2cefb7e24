import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { type KeyObject, sign } from 'node:crypto';
import type { LogExportRow } from '../database/schema.ts';

/** Entries that go out together, as JSON Lines. */
export interface ExportBatch {
  /** Of the first and the last. */
  readonly from: number;
  readonly to: number;
  /** Of the last, hex: it commits to all before it. */
  readonly hash: string;
  readonly lines: string;
  readonly atMs: number;
}

/** The target said that it takes no batch of this size. */
export class BatchTooLarge extends Error {
  override readonly name = 'BatchTooLarge';
}

const CONTENT_TOO_LARGE = 413;
const TIMEOUT_MS = 10_000;
const ID_HASH_DIGITS = 16;
const PART_BYTES = 64 * 1024;

/**
 * Sends a batch by HTTP, signed as Standard Webhooks has it (`v1a`: Ed25519 over `id.timestamp.body`), so that the
 * receiver needs no secret of ours. The id is the same when it is sent again: by it the receiver knows what he has. What
 * takes the place of entries that a restore lost has another one.
 * @throws Error where it did not arrive for certain
 */
export async function postBatch(row: LogExportRow, batch: ExportBatch, key: KeyObject): Promise<void> {
  const id = `${row.id}.${batch.from}-${batch.to}.${batch.hash.slice(0, ID_HASH_DIGITS)}`;
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
  if (response.ok) return;
  const detail = `it answered ${response.status}`;
  throw response.status === CONTENT_TOO_LARGE ? new BatchTooLarge(detail) : new Error(detail);
}

/** Where the file of an export lies. */
export function exportFile(folder: string, name: string): string {
  return join(folder, `${name}.jsonl`);
}

/**
 * Appends a batch to the export's file, synced: what it was told of is there. What a crash cut off in the middle of a
 * line goes first: its batch is written again.
 */
export function appendBatch(file: string, { lines }: ExportBatch): void {
  const folder = dirname(file);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const opened = openSync(file, constants.O_RDWR | constants.O_CREAT, 0o600);
  try {
    // Nothing is written before its name, and its folder's, would survive the loss of power.
    if (fstatSync(opened).size === 0) for (const path of [folder, dirname(folder)]) syncFolder(path);
    const whole = endOfLines(opened);
    ftruncateSync(opened, whole);
    const bytes = Buffer.from(lines);
    for (let at = 0; at < bytes.length; ) at += writeSync(opened, bytes, at, bytes.length - at, whole + at);
    fsyncSync(opened);
  } finally {
    closeSync(opened);
  }
}

/** Makes names durable: of what was made in it. */
function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** Where the last whole line ends. */
function endOfLines(file: number): number {
  const part = Buffer.alloc(PART_BYTES);
  for (let end = fstatSync(file).size; end > 0; ) {
    const start = Math.max(0, end - PART_BYTES);
    readSync(file, part, 0, end - start, start);
    const newline = part.subarray(0, end - start).lastIndexOf(0x0a);
    if (newline >= 0) return start + newline + 1;
    end = start;
  }
  return 0;
}
