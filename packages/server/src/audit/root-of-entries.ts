import { rootOf } from '@keyhold/protocol/log/merkle';
import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import { prunedUpTo, treeAt } from '../ledger/pruned.store.ts';
import { EMPTY_TREE, sha256 } from '../ledger/tree.ts';

/**
 * Root of the first `size` entries, from the entries themselves: whoever put an older database back can also write
 * tiles. Of those that were given up tiles are all that there is, and they have to make the root.
 */
export async function rootOfEntries(reader: Kysely<Database>, size: number): Promise<Uint8Array> {
  for (;;) {
    const { upTo } = await prunedUpTo(reader);
    const tree = await treeAt(reader, size);
    // Some may have been given up while they were read: then that is no hole.
    if (tree !== null || (await prunedUpTo(reader)).upTo === upTo) return rootOf(sha256, tree ?? EMPTY_TREE);
  }
}
