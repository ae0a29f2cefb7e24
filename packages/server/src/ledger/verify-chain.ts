import { hash } from 'node:crypto';
import { decodeLeaf, type Leaf } from '@keyhold/protocol/leaf';
import type { Frontier } from '@keyhold/protocol/log/merkle';
import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import type { Head } from './chain.ts';
import { entriesBetween } from './entries.store.ts';
import { keptTree, prunedBy, prunedUpTo } from './pruned.store.ts';
import { checkChanged, checkRowHeads } from './row-heads-check.ts';
import { growTree, rootOfTree } from './tree.ts';

/** The first thing found that is not as it was written, or null. */
export interface ChainFault {
  readonly sequence: number;
  readonly detail: string;
}

const ENTRIES_PER_READ = 1_000;
const MISSING = 'the entry is missing';

type Until = Pick<Head, 'sequence' | 'hash' | 'tree'>;

/**
 * Follows the whole chain: every leaf canonical, hashed as stored, linked to the one before, without gaps, with what is
 * searched by as it says; and the tree over them and the newest digest of every row as the leaves say. Works through in
 * pages, giving way between them, and remembers none of them: a log of any length takes the same memory.
 */
export async function verifyChain(db: Kysely<Database>, until: Until): Promise<ChainFault | null> {
  for (;;) {
    const { upTo, sequence } = await prunedUpTo(db);
    // What was given up since is behind the head that is followed to: the next run follows to that.
    if (sequence > until.sequence) return null;
    const fault = await verifyBehind(db, until, upTo, sequence);
    // Entries may be given up while they are followed: then it begins again behind them.
    if (fault?.detail !== MISSING || (await prunedUpTo(db)).upTo === upTo) return fault;
  }
}

async function verifyBehind(
  db: Kysely<Database>,
  until: Until,
  upTo: number,
  saidAt: number,
): Promise<ChainFault | null> {
  // Of entries that were given up the hashes are there, and the entry that says so is among those that follow.
  let sequence = upTo;
  let tree: Frontier | null = await keptTree(db, upTo);
  if (tree === null) return { sequence, detail: 'hashes are missing of entries that were given up' };
  let previous: string | null | undefined = sequence === 0 ? null : undefined;
  while (sequence < until.sequence) {
    const page = await entriesBetween(db, sequence, Math.min(until.sequence, sequence + ENTRIES_PER_READ));
    if (page.length === 0) return { sequence: sequence + 1, detail: MISSING };
    const leaves: Leaf[] = [];
    for (const entry of page) {
      const leaf = checkEntry(entry, sequence + 1, previous);
      if (typeof leaf === 'string') return { sequence: sequence + 1, detail: leaf };
      leaves.push(leaf);
      sequence++;
      previous = entry.hash;
    }
    const said = leaves.find((leaf) => leaf.sequence === saidAt);
    if (said !== undefined && prunedBy(said, saidAt) !== upTo) return { sequence: saidAt, detail: NOT_GIVEN_UP };
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
  return await checkRowHeads(db);
}

const NOT_GIVEN_UP = 'no entry of the log gives up what is missing';

function checkEntry(entry: Database['entries'], expected: number, previous: string | null | undefined): Leaf | string {
  if (entry.sequence !== expected) return MISSING;
  let leaf: Leaf;
  try {
    leaf = decodeLeaf(Buffer.from(entry.leaf));
  } catch (error) {
    return (error as Error).message;
  }
  if (hash('sha256', entry.leaf, 'hex') !== entry.hash) return 'the leaf does not have the hash that is stored';
  if (leaf.sequence !== expected) return 'the leaf names another sequence';
  if (previous !== undefined && leaf.previous !== previous) return 'the leaf does not follow the one before';
  const { id, actor, action, subject } = entry;
  const isSaid = leaf.id === id && leaf.actor === actor && leaf.action === action && leaf.subject === subject;
  if (!isSaid || Date.parse(leaf.at) !== entry.at) return 'what the entry is searched by is not what its leaf says';
  return leaf;
}
