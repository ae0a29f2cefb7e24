import type { Kysely } from 'kysely';
import type { Database } from '../../database/schema.ts';
import { BARRED_MS } from './approval.ts';
import { linkedWith } from './approvals.store.ts';

/**
 * Who approves nothing of this person's: himself, and whoever he made, let enrol anew or gave a role within a day, or who
 * did that to him, and so on from each of these: they could all be one. What a provider renews, as it does each day for
 * whoever comes, is no such word of somebody: it links people with whoever saved the provider, and with newcomers of
 * today, but not with one another. So at most one renewal lies on the way between two of them.
 */
export async function findBarred(db: Kysely<Database>, person: string, nowMs: number): Promise<ReadonlySet<string>> {
  const barred = new Set<string>();
  const renewed = await follow(db, [person], nowMs - BARRED_MS, barred);
  await follow(db, renewed, nowMs - BARRED_MS, barred);
  return barred;
}

/** Adds these, and all who are linked with them. Resolves to whom a renewal links with any of those. */
async function follow(
  db: Kysely<Database>,
  from: readonly string[],
  sinceMs: number,
  barred: Set<string>,
): Promise<readonly string[]> {
  const renewed: string[] = [];
  for (let newest = from.filter((id) => !barred.has(id)); newest.length > 0; ) {
    for (const id of newest) barred.add(id);
    const links = await linkedWith(db, newest, sinceMs);
    renewed.push(...links.renewed);
    newest = links.people.filter((id) => !barred.has(id));
  }
  return [...new Set(renewed)];
}
