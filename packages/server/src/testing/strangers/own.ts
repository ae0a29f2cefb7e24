import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sha256, verifySignature } from '@keyhold/auditor/note-crypto';
import { type Checkpoint, readCheckpoint } from '@keyhold/protocol/log/checkpoint';
import { appendLeaves, EMPTY_FRONTIER, isSameHash, leafHash, nodeHash, rootOf } from '@keyhold/protocol/log/merkle';
import { verifyConsistency, verifyInclusion } from '@keyhold/protocol/log/merkle-proofs';
import { readReceipt } from '@keyhold/protocol/log/receipt';
import { signersOf } from '@keyhold/protocol/log/signed-message';
import { type NoteKey, readNote } from '@keyhold/protocol/log/signed-note';
import { entriesOf, parseTilePath, TILE_WIDTH, tilePath, tileWidth } from '@keyhold/protocol/log/tile';
import type { Judge, Shown } from './shown.ts';

const ALL = ['checkpoint', 'inclusion', 'consistency', 'receipt', 'tile', 'bundle', 'log'] as const;

/** Our own code for checking a log, over a downloaded one. Each of the log's keys must have signed. */
export function ownJudge(keys: readonly NoteKey[], folder: string): Judge {
  const read = (path: string) => readFileSync(join(folder, path));
  let known: Uint8Array[][] | null = null;
  const levels = (size: number) => (known ??= levelsOf(read, size));
  const look = (shown: Shown): void => {
    if (shown.kind === 'receipt') return judgeReceipt(keys, shown.bytes);
    const tree = openCheckpoint(keys, shown.note);
    if (shown.kind === 'inclusion') judgeInclusion(tree, shown.index, shown.bytes, shown.proof);
    else if (shown.kind === 'consistency') {
      const claim = { from: openCheckpoint(keys, shown.from), to: tree };
      if (!verifyConsistency(sha256, claim, shown.proof)) throw new Error('the proof does not show it');
    } else if (shown.kind === 'log') judgeWhole(tree, levels(tree.size), read);
    else if (shown.kind === 'tile' || shown.kind === 'bundle') {
      judgeTile(levels(tree.size), shown.path, shown.bytes, tree.size);
    }
  };
  return {
    name: 'our own auditor',
    kinds: ALL,
    judge: async (shown) =>
      shown.map((one) => {
        try {
          look(one);
          return null;
        } catch (error) {
          return (error as Error).message;
        }
      }),
  };
}

export function openCheckpoint(keys: readonly NoteKey[], bytes: Uint8Array): Checkpoint {
  const note = readNote(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  const checkpoint = readCheckpoint(note?.text ?? '');
  if (note === null || checkpoint === null) throw new Error('no checkpoint');
  const signers = signersOf(verifySignature, keys, note, checkpoint);
  if (signers === null || !keys.every((key) => signers.has(key))) throw new Error('a key of the log has not signed');
  if (checkpoint.origin !== keys[0]?.name) throw new Error('another log’s');
  return checkpoint;
}

function judgeInclusion(tree: Checkpoint, index: number, entry: Uint8Array, proof: readonly Uint8Array[]): void {
  const claim = { index, size: tree.size, leafHash: leafHash(sha256, entry), root: tree.root };
  if (!verifyInclusion(sha256, claim, proof)) throw new Error('the proof does not show it');
}

function judgeReceipt(keys: readonly NoteKey[], bytes: Uint8Array): void {
  const receipt = readReceipt(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  if (receipt === null || receipt.extra === null) throw new Error('no receipt');
  const tree = openCheckpoint(keys, Buffer.from(receipt.checkpoint));
  judgeInclusion(tree, receipt.index, receipt.extra, receipt.proof);
}

/** Hashes of each level of tiles, from the entries alone. */
function levelsOf(read: (path: string) => Uint8Array, size: number): Uint8Array[][] {
  const leaves: Uint8Array[] = [];
  for (let number = 0; tileWidth(0, number, size) > 0; number++) {
    const width = tileWidth(0, number, size);
    const entries = entriesOf(read(tilePath({ level: 'entries', number, width })));
    if (entries?.length !== width) throw new Error(`bundle ${number} does not have ${width} entries`);
    leaves.push(...entries.map((entry) => leafHash(sha256, entry)));
  }
  const levels = [leaves];
  for (let level = leaves; level.length >= TILE_WIDTH; levels.push(level)) {
    for (let i = 0; i < 8; i++) level = halved(level);
  }
  return levels;
}

function halved(hashes: readonly Uint8Array[]): Uint8Array[] {
  return Array.from({ length: Math.floor(hashes.length / 2) }, (_, i) =>
    nodeHash(sha256, hashes[2 * i] as Uint8Array, hashes[2 * i + 1] as Uint8Array),
  );
}

function judgeWhole(tree: Checkpoint, levels: readonly Uint8Array[][], read: (path: string) => Uint8Array): void {
  const root = rootOf(sha256, appendLeaves(sha256, EMPTY_FRONTIER, levels[0] as Uint8Array[]));
  if (levels[0]?.length !== tree.size || !isSameHash(root, tree.root)) throw new Error('the entries make another root');
  for (const level of levels.keys()) {
    for (let number = 0; tileWidth(level, number, tree.size) > 0; number++) {
      const path = tilePath({ level, number, width: tileWidth(level, number, tree.size) });
      judgeTile(levels, path, read(path), tree.size);
    }
  }
}

/** A tile is worth what the entries say; a bundle what its hashes say. */
function judgeTile(levels: readonly Uint8Array[][], path: string, bytes: Uint8Array, size: number): void {
  const tile = parseTilePath(path);
  if (tile === null) throw new Error('no tile');
  const level = tile.level === 'entries' ? 0 : tile.level;
  if (tile.width !== tileWidth(level, tile.number, size)) throw new Error('the tree has no such tile');
  const first = tile.number * TILE_WIDTH;
  const hashes = (levels[level] as Uint8Array[]).slice(first, first + tile.width);
  if (tile.level !== 'entries') {
    if (!isSameHash(bytes, Buffer.concat(hashes))) throw new Error('the entries make another tile');
    return;
  }
  const entries = entriesOf(bytes);
  const isSame = (entry: Uint8Array, i: number) => isSameHash(leafHash(sha256, entry), hashes[i] as Uint8Array);
  if (entries?.length !== tile.width || !entries.every(isSame)) throw new Error('an entry is another');
}
