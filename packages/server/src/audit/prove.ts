import { verifyConsistency, verifyInclusion } from '@keyhold/protocol/log/merkle-proofs';
import { consistencyRanges, inclusionRanges, perfectNodes, type Range } from '@keyhold/protocol/log/merkle-paths';
import { type Refusal, refuse } from '@keyhold/protocol/errors';
import { writeReceipt } from '@keyhold/protocol/log/receipt';
import { leavesBetween } from '../ledger/entries.store.ts';
import { hashLeaf, sha256 } from '../ledger/tree.ts';
import type { Published, TransparencyLog } from './log.ts';
import type { LogTiles } from './log-tiles.ts';

/** A proof, with what it is of. */
export interface ProvenInclusion {
  readonly leafHash: Uint8Array;
  readonly root: Uint8Array;
  readonly proof: readonly Uint8Array[];
}

export interface ProvenConsistency {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
  readonly proof: readonly Uint8Array[];
}

/**
 * That the entry at `index` lies in the tree of `size`. It is checked before it is given away.
 * @throws RangeError
 */
export async function proveInclusion(tiles: LogTiles, index: number, size: number): Promise<ProvenInclusion> {
  const ranges = [{ start: index, end: index + 1 }, ...inclusionRanges(index, size)];
  const root = await tiles.rangeHash({ start: 0, end: size });
  // INVARIANT: what lies there unchecked is given away only in a proof that leads to the root.
  for (const lookUp of [tiles.rangeHashAsKept.bind(tiles), tiles.rangeHash.bind(tiles)]) {
    const [leafHash, ...proof] = (await hashesOf(lookUp, ranges)) as [Uint8Array, ...Uint8Array[]];
    if (verifyInclusion(sha256, { index, size, leafHash, root }, proof)) return { leafHash, root, proof };
  }
  throw new Error('the proof does not verify');
}

/**
 * That the tree of `to` entries begins with the tree of `from`.
 * @throws RangeError
 */
export async function proveConsistency(tiles: LogTiles, from: number, to: number): Promise<ProvenConsistency> {
  const lookUp = tiles.rangeHash.bind(tiles);
  const proof = await hashesOf(lookUp, consistencyRanges(from, to));
  const roots = await hashesOf(lookUp, [
    { start: 0, end: from },
    { start: 0, end: to },
  ]);
  const proven = { from: roots[0], to: roots[1], proof } as ProvenConsistency;
  const claim = { from: { size: from, root: proven.from }, to: { size: to, root: proven.to } };
  if (!verifyConsistency(sha256, claim, proof)) throw new Error('the proof does not verify');
  return proven;
}

async function hashesOf(
  lookUp: (range: Range) => Promise<Uint8Array>,
  ranges: readonly Range[],
): Promise<Uint8Array[]> {
  const hashes: Uint8Array[] = [];
  for (const range of ranges) hashes.push(await lookUp(range));
  return hashes;
}

/** What lies before and behind a run of entries in a tree: the perfect subtrees there, in order. */
export async function proveRange(
  tiles: LogTiles,
  { from, to, size }: { readonly from: number; readonly to: number; readonly size: number },
): Promise<{ before: readonly Uint8Array[]; after: readonly Uint8Array[] }> {
  return {
    before: await tiles.nodes(perfectNodes({ start: 0, end: from - 1 })),
    after: await tiles.nodes(perfectNodes({ start: to, end: size })),
  };
}

/** The receipt of an entry: the entry itself, a proof, and a checkpoint that covers it. */
export async function receiptFor(
  log: TransparencyLog,
  leaf: string,
  sequence: number,
  checkpoint: Published,
): Promise<string | Refusal> {
  const index = sequence - 1;
  const { leafHash, root, proof } = await proveInclusion(log.tiles, index, checkpoint.size);
  const isOwn = Buffer.compare(leafHash, hashLeaf(leaf)) === 0 && Buffer.compare(root, checkpoint.root) === 0;
  if (!isOwn) return refuse('LOG_FORGED', 'The entry is not the one that the log was made of.');
  return writeReceipt({ extra: Buffer.from(leaf), index, proof, checkpoint: checkpoint.note });
}

/** The leaf at a sequence, or null. */
export async function leafAt(reader: Parameters<typeof leavesBetween>[0], sequence: number): Promise<string | null> {
  const [entry] = await leavesBetween(reader, sequence - 1, sequence);
  return entry?.leaf ?? null;
}
