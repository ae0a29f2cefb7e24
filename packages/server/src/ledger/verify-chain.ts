import { hash } from 'node:crypto';
import { decodeLeaf, type Leaf } from '@keyhold/protocol/leaf';
import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import type { Head } from './chain.ts';
import { leavesBetween } from './entries.store.ts';
import { EMPTY_TREE, growTree, rootOfTree } from './tree.ts';

/** The first thing found that is not as it was written, or null. */
export interface ChainFault {
  readonly sequence: number;
  readonly detail: string;
}

const ENTRIES_PER_READ = 1_000;

/**
 * Follows the whole chain: every leaf canonical, hashed as stored, linked to the one before, without gaps; and the
 * tree over them and the
 * newest digest of every row as the leaves say. Works through in pages, giving way between them.
 */
export async function verifyChain(
  db: Kysely<Database>,
  until: Pick<Head, 'sequence' | 'hash' | 'tree'>,
): Promise<ChainFault | null> {
  let previous: string | null = null;
  let sequence = 0;
  let tree = EMPTY_TREE;
  const heads = new Map<string, string | null>();
  while (sequence < until.sequence) {
    const page = await leavesBetween(db, sequence, Math.min(until.sequence, sequence + ENTRIES_PER_READ));
    if (page.length === 0) return { sequence: sequence + 1, detail: 'the entry is missing' };
    for (const entry of page) {
      const fault = checkEntry(entry, sequence + 1, previous, heads);
      if (fault !== null) return { sequence: sequence + 1, detail: fault };
      sequence++;
      previous = entry.hash;
    }
    tree = growTree(
      tree,
      page.map(({ leaf }) => leaf),
    );
    await new Promise(setImmediate);
  }
  if (previous !== until.hash) return { sequence, detail: 'the head has another hash than the last entry' };
  if (rootOfTree(tree) !== rootOfTree(until.tree))
    return { sequence, detail: 'the tree is not the one of the entries' };
  return await checkHeads(db, heads, until.sequence);
}

function checkEntry(
  entry: { readonly sequence: number; readonly leaf: string; readonly hash: string },
  expected: number,
  previous: string | null,
  heads: Map<string, string | null>,
): string | null {
  if (entry.sequence !== expected) return 'the entry is missing';
  let leaf: Leaf;
  try {
    leaf = decodeLeaf(Buffer.from(entry.leaf));
  } catch (error) {
    return (error as Error).message;
  }
  if (hash('sha256', entry.leaf, 'hex') !== entry.hash) return 'the leaf does not have the hash that is stored';
  if (leaf.sequence !== expected) return 'the leaf names another sequence';
  if (leaf.previous !== previous) return 'the leaf does not follow the one before';
  for (const { id, after } of leaf.changes) heads.set(id, after);
  return null;
}

/** Rows touched after `until` are left to the next run. */
async function checkHeads(
  db: Kysely<Database>,
  heads: ReadonlyMap<string, string | null>,
  until: number,
): Promise<ChainFault | null> {
  let after = '';
  let seen = 0;
  for (;;) {
    const page = await db
      .selectFrom('row_heads')
      .selectAll()
      .where('row_id', '>', after)
      .orderBy('row_id')
      .limit(ENTRIES_PER_READ)
      .execute();
    for (const { row_id, digest, sequence } of page) {
      if (heads.has(row_id)) seen++;
      if (sequence <= until && heads.get(row_id) !== digest) {
        return { sequence, detail: `the newest digest of ${row_id} is not the one in the ledger` };
      }
    }
    if (page.length < ENTRIES_PER_READ) break;
    after = (page.at(-1) as { row_id: string }).row_id;
    await new Promise(setImmediate);
  }
  return seen === heads.size ? null : { sequence: until, detail: 'a row that the ledger knows has no newest digest' };
}
