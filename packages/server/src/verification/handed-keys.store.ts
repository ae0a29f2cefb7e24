import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import { newestOf } from '../ledger/entries.store.ts';
import { ROLLBACK_ACCEPTED } from '../ledger/rollback-guard.ts';

/** Whether the key is of a state of before that was put back: whom it was handed to since then is in no entry. */
export async function cameBack(db: Kysely<Database>, keyId: string): Promise<boolean> {
  const accepted = await newestOf(db, ROLLBACK_ACCEPTED);
  if (accepted === null) return false;
  const made = await db
    .selectFrom('entries')
    .select('sequence')
    .where('subject', '=', keyId)
    .where('action', '=', 'vault-key.created')
    .executeTakeFirst();
  // Entries are given up in their order: then it is older.
  return made === undefined || made.sequence < accepted;
}

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
