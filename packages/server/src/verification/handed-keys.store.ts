import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';

/** Ids of the tokens that a distribution key was handed to. */
export async function listHolders(db: Kysely<Database>, keyId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('entries')
    .select('actor')
    .distinct()
    .where('subject', '=', keyId)
    .where('action', '=', 'distribution-key.handed')
    .execute();
  return rows.map(({ actor }) => actor);
}
