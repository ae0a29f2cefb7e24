import type { Kysely } from 'kysely';
import type { Database } from '../../database/schema.ts';
import { BARRED_MS } from './approval.ts';
import { linkedWith } from './approvals.store.ts';

/**
 * Who approves nothing of this person's: himself, and whoever he made, let enrol anew or gave a role within a day, or who
 * did that to him, and so on from each of these: they could all be one.
 */
export async function findBarred(db: Kysely<Database>, person: string, nowMs: number): Promise<ReadonlySet<string>> {
  const barred = new Set([person]);
  for (let newest: readonly string[] = [person]; newest.length > 0; ) {
    const found = await linkedWith(db, newest, nowMs - BARRED_MS);
    newest = found.filter((id) => !barred.has(id));
    for (const id of newest) barred.add(id);
  }
  return barred;
}
