import { hash } from 'node:crypto';
import { sha256 } from '@keyhold/auditor/note-crypto';
import { appendLeaves, EMPTY_FRONTIER, type Frontier, HASH_BYTES, rootOf } from '@keyhold/protocol/log/merkle';
import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import { leavesBetween } from './entries.store.ts';

/**
 * The tree over all entries, as the transparency log publishes it: its leaves are the leaves of the ledger, byte for
 * byte. What has to be kept to go on with it is stored with the head, in the transaction of each change.
 */

export { sha256 };

export const EMPTY_TREE = EMPTY_FRONTIER;

/** Hash of a leaf in the tree (RFC 6962 §2.1); not the one that the next leaf names as `previous`. */
export function hashLeaf(leaf: string): Uint8Array {
  // As text, which Node hashes without a copy of its bytes.
  return Buffer.from(hash('sha256', `\0${leaf}`, 'binary'), 'latin1');
}

export function growTree(tree: Frontier, leaves: readonly string[]): Frontier {
  return appendLeaves(sha256, tree, leaves.map(hashLeaf));
}

/** Root of the tree, lower-case hex. */
export function rootOfTree(tree: Frontier): string {
  return Buffer.from(rootOf(sha256, tree)).toString('hex');
}

/** As the database keeps it: the hashes one after another, hex. */
export function writeTree({ nodes }: Frontier): string {
  return Buffer.concat(nodes).toString('hex');
}

/** A text that is of no tree of that size, which somebody wrote there, makes one of none: it can be grown, and nothing of it is signed. */
export function readTree(size: number, text: string): Frontier {
  const bytes = Buffer.from(text, 'hex');
  const count = subtreesOf(size);
  const kept = bytes.length === count * HASH_BYTES ? bytes : Buffer.alloc(count * HASH_BYTES);
  const nodes = Array.from({ length: count }, (_, i) => kept.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES));
  return { size, nodes };
}

/** As many perfect subtrees as bits are set. */
function subtreesOf(size: number): number {
  let count = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) count += rest % 2;
  return count;
}

const ENTRIES_PER_READ = 1_000;

/** The tree as its entries make it, with whatever is stored of it left aside. */
export async function treeOfEntries(db: Kysely<Database>, size: number): Promise<Frontier> {
  let tree: Frontier = EMPTY_TREE;
  while (tree.size < size) {
    const page = await leavesBetween(db, tree.size, Math.min(size, tree.size + ENTRIES_PER_READ));
    if (page.length === 0) throw new Error(`entry ${tree.size + 1} is missing: the log can't be built`);
    tree = growTree(
      tree,
      page.map(({ leaf }) => leaf),
    );
  }
  return tree;
}
