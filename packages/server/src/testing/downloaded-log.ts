import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { sha256 } from '@keyhold/auditor/note-crypto';
import { fromBase64 } from '@keyhold/protocol/log/base64';
import { readCheckpoint } from '@keyhold/protocol/log/checkpoint';
import { type NoteKey, readNote, readVerifierKey } from '@keyhold/protocol/log/signed-note';
import { TILE_WIDTH, type Tile, tilePath, tileWidth } from '@keyhold/protocol/log/tile';
import type { TestInstallation } from './installation.ts';

type Asked = Pick<TestInstallation, 'controlUrl' | 'bootstrapToken' | 'call'>;

/** What a log publishes, in a folder, by its paths. */
export interface DownloadedLog {
  readonly folder: string;
  /** As the installation says them. */
  readonly verifierKeys: readonly string[];
  readonly keys: readonly NoteKey[];
  readonly note: Uint8Array;
  readonly size: number;
  readonly paths: readonly string[];
  read(path: string): Uint8Array;
}

/** The newest checkpoint, or null where there is none yet. */
export async function fetchCheckpoint({ controlUrl }: Pick<Asked, 'controlUrl'>): Promise<Uint8Array | null> {
  const response = await fetch(new URL('/audit/checkpoint', controlUrl));
  return response.status === 200 ? new Uint8Array(await response.arrayBuffer()) : null;
}

export async function fetchTile({ controlUrl, bootstrapToken }: Asked, path: string): Promise<Uint8Array> {
  // Hashes are for anybody; entries are not.
  const headers = path.startsWith('tile/entries/') ? { authorization: `Bearer ${bootstrapToken}` } : {};
  const response = await fetch(new URL(`/audit/${path}`, controlUrl), { headers });
  if (response.status !== 200) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return new Uint8Array(await response.arrayBuffer());
}

export async function fetchReceipt({ call }: Asked, sequence: number): Promise<string> {
  const { status, body } = await call('GET', `/v1/audit/entries/${sequence}/receipt`);
  if (status !== 200) throw new Error(`receipt of ${sequence}: ${status} ${JSON.stringify(body)}`);
  return body.receipt;
}

/** The hashes of a proof in an answer. */
export function proofOf(body: { readonly proof: readonly string[] }): Uint8Array[] {
  return body.proof.map((hash) => fromBase64(hash) as Uint8Array);
}

export function sizeOf(note: Uint8Array): number {
  return readCheckpoint(readNote(Buffer.from(note).toString())?.text ?? '')?.size ?? 0;
}

/** The log's keys, as lines and read. */
export async function fetchKeys({ call }: Asked): Promise<{ lines: string[]; keys: NoteKey[] }> {
  const { body } = await call('GET', '/v1/audit/log');
  const lines = body.keys as string[];
  return { lines, keys: lines.map((line) => readVerifierKey(sha256, line) as NoteKey) };
}

/** All paths of a tree of that size: bundles, then the tiles of each level. */
export function pathsOf(size: number): string[] {
  const levels: Tile['level'][] = ['entries'];
  for (let level = 0; size >= TILE_WIDTH ** level; level++) levels.push(level);
  return levels.flatMap((level) => {
    const paths: string[] = [];
    for (let number = 0; ; number++) {
      const width = tileWidth(level === 'entries' ? 0 : level, number, size);
      if (width === 0) return paths;
      paths.push(tilePath({ level, number, width }));
    }
  });
}

/** Downloads a whole log as anybody with a token may. */
export async function downloadLog(installation: Asked, folder: string): Promise<DownloadedLog> {
  const { lines, keys } = await fetchKeys(installation);
  const note = await fetchCheckpoint(installation);
  if (note === null) throw new Error('there is no checkpoint');
  const paths = pathsOf(sizeOf(note));
  for (const path of paths) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), await fetchTile(installation, path));
  }
  return {
    ...{ folder, keys, note, paths },
    verifierKeys: lines,
    size: sizeOf(note),
    read: (path) => new Uint8Array(readFileSync(join(folder, path))),
  };
}
