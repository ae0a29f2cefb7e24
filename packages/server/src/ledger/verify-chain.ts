import { hash } from 'node:crypto';
import { decodeLeaf, type Leaf } from '@keyhold/protocol/leaf';
import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import type { Head } from './chain.ts';
import { leavesBetween } from './entries.store.ts';
import { checkChanged, checkRowHeads } from './row-heads-check.ts';
import { keptTree, prunedUpTo } from './pruned.store.ts';
import { growTree, rootOfTree } from './tree.ts';

/** The first thing found that is not as it was written, or null. */
export interface ChainFault {
  readonly sequence: number;
  readonly detail: string;
}

const ENTRIES_PER_READ = 1_000;

/**
 * Follows the whole chain: every leaf canonical, hashed as stored, linked to the one before, without gaps; and the
 * tree over them and the newest digest of every row as the leaves say. Works through in pages, giving way between
 * them, and remembers none of them: a log of any length takes the same memory.
 */
export async function verifyChain(
  db: Kysely<Database>,
  until: Pick<Head, 'sequence' | 'hash' | 'tree'>,
): Promise<ChainFault | null> {
  // Of entries that were given up the hashes are there, and the entry that says so is among those that follow.
  let sequence = await prunedUpTo(db);
  const kept = await keptTree(db, sequence);
  if (kept === null) return { sequence, detail: 'hashes are missing of entries that were given up' };
  let tree = kept;
  let previous: string | null | undefined = sequence === 0 ? null : undefined;
  while (sequence < until.sequence) {
    const page = await leavesBetween(db, sequence, Math.min(until.sequence, sequence + ENTRIES_PER_READ));
    if (page.length === 0) return { sequence: sequence + 1, detail: 'the entry is missing' };
    const leaves: Leaf[] = [];
    for (const entry of page) {
      const leaf = checkEntry(entry, sequence + 1, previous);
      if (typeof leaf === 'string') return { sequence: sequence + 1, detail: leaf };
      leaves.push(leaf);
      sequence++;
      previous = entry.hash;
    }
    const fault = await checkChanged(db, leaves);
    if (fault !== null) return fault;
    tree = growTree(
      tree,
      page.map(({ leaf }) => leaf),
    );
    await new Promise(setImmediate);
  }
  if (previous !== until.hash) return { sequence, detail: 'the head has another hash than the last entry' };
  if (rootOfTree(tree) !== rootOfTree(until.tree))
    return { sequence, detail: 'the tree is not the one of the entries' };
  return await checkRowHeads(db, until.sequence);
}

function checkEntry(
  entry: { readonly sequence: number; readonly leaf: string; readonly hash: string },
  expected: number,
  previous: string | null | undefined,
): Leaf | string {
  if (entry.sequence !== expected) return 'the entry is missing';
  let leaf: Leaf;
  try {
    leaf = decodeLeaf(Buffer.from(entry.leaf));
  } catch (error) {
    return (error as Error).message;
  }
  if (hash('sha256', entry.leaf, 'hex') !== entry.hash) return 'the leaf does not have the hash that is stored';
  if (leaf.sequence !== expected) return 'the leaf names another sequence';
  if (previous !== undefined && leaf.previous !== previous) return 'the leaf does not follow the one before';
  return leaf;
}
