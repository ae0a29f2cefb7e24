import type { Kysely } from 'kysely';
import type { Database } from '../../database/schema.ts';
import type { PersonIdentityRow } from '../../database/sign-on-rows.ts';
import { readCheckedRows } from '../../ledger/checked-rows.ts';
import { identityIdsOf } from '../sign-on/sign-ons.store.ts';

/**
 * Whether two accounts are two people, as far as providers can tell: who was invited here, and then came by a provider
 * without having linked the two, would else approve what he asks himself. At one issuer each is one. What was written past
 * the ledger says nothing for anybody, and that somebody is known somewhere.
 */
export async function areTwo(db: Kysely<Database>, one: string, other: string): Promise<boolean> {
  const checked = await readCheckedRows(db, ['person_identities'], await identityIdsOf(db, [one, other]));
  if (checked.some((row) => 'tampered' in row)) return false;
  const rows = checked.map((row) => (row as { readonly row: PersonIdentityRow }).row);
  const issuersOf = (person: string) => rows.filter((row) => row.person_id === person).map(({ issuer }) => issuer);
  const [own, others] = [issuersOf(one), issuersOf(other)];
  return own.length === 0 ? others.length === 0 : own.some((issuer) => others.includes(issuer));
}
