import type { Kysely } from 'kysely';
import type { PersonIdentityRow } from '../../database/sign-on-rows.ts';
import type { Database } from '../../database/schema.ts';
import { readChecked } from '../../ledger/checked-rows.ts';
import { claimOf } from '../sign-on/sign-on.ts';

const AT_ONCE = 500;

/** Whether two accounts are two people. */
export type AreTwo = (one: string, other: string) => boolean;

/**
 * Tells whether two accounts are two people, as far as providers can tell: who was invited here, and then came by a provider
 * without having linked the two, would else approve what he asks himself. At one issuer, by one claim, each is one. All
 * that the ledger knows of anybody is read: a row that was moved to somebody else is missed where it was, and while one was
 * written past the ledger nobody is two.
 */
export async function readTwos(db: Kysely<Database>): Promise<AreTwo> {
  const known = new Map<string, Set<string>>();
  for (let after = ''; ; ) {
    const { rows, last } = await readChecked(db, 'person_identities', after, AT_ONCE);
    for (const checked of rows) {
      if ('tampered' in checked) return () => false;
      const { person_id, issuer, subject, state } = checked.row as PersonIdentityRow;
      if (state !== 'active') continue;
      const places = known.get(person_id) ?? new Set();
      known.set(person_id, places.add(JSON.stringify([issuer, claimOf(subject)])));
    }
    if (last === null) break;
    after = last;
  }
  const placesOf = (person: string) => [...(known.get(person) ?? [])];
  return (one, other) => {
    const [own, others] = [placesOf(one), placesOf(other)];
    return own.length === 0 ? others.length === 0 : own.some((place) => others.includes(place));
  };
}
