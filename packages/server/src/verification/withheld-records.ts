import type { FeedRecord } from '@keyhold/protocol/feed';
import { ID_PREFIXES } from '@keyhold/protocol/id';
import { decodeLeaf } from '@keyhold/protocol/leaf';
import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import type { Addressed } from '../feed/scope.ts';
import { feedRemoval, feedUnreadableRules, feedUnreadableSetting } from './feed-records.ts';
import type { Places } from './places.ts';

/**
 * What is fed of a row that is not what the ledger recorded. Most rows allow something: without them less is allowed,
 * so they are withheld. Rules and settings forbid: without them more would be allowed, so the strictest stand in.
 * INVARIANT: where a row belongs is read from its entry, never from the row.
 */
export async function withheldRecords(
  db: Kysely<Database>,
  id: string,
  places: Places,
): Promise<Addressed<FeedRecord>[]> {
  const strictest = STRICTEST.find(({ prefix }) => id.startsWith(`${prefix}_`))?.feed;
  if (strictest === undefined) return [feedRemoval(id)];
  const environment = await environmentOf(db, id);
  // Its entry may have been pruned: then it could be any environment's.
  const environments = environment === null ? places.environments() : [environment];
  return environments.map((one) => strictest(id, one, places.projectOf(one)));
}

const STRICTEST = [
  { prefix: ID_PREFIXES.keyRules, feed: feedUnreadableRules },
  { prefix: ID_PREFIXES.setting, feed: feedUnreadableSetting },
];

async function environmentOf(db: Kysely<Database>, id: string): Promise<string | null> {
  const entry = await db
    .selectFrom('row_heads')
    .innerJoin('entries', 'entries.sequence', 'row_heads.sequence')
    .select('entries.leaf')
    .where('row_heads.row_id', '=', id)
    .executeTakeFirst();
  return entry === undefined ? null : (decodeLeaf(Buffer.from(entry.leaf)).environment ?? null);
}
