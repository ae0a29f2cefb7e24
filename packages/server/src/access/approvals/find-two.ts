import type { Kysely } from 'kysely';
import type { Database } from '../../database/schema.ts';
import { issuersOf } from '../sign-on/sign-ons.store.ts';

/**
 * Whether two accounts are two people, as far as providers can tell: who was invited here, and then came by a provider
 * without having linked the two, would else approve what he asks himself. At one issuer each is one.
 */
export async function areTwo(db: Kysely<Database>, one: string, other: string): Promise<boolean> {
  const issuers = await issuersOf(db, [one, other]);
  const own = [...(issuers.get(one) ?? [])];
  const others = issuers.get(other);
  return own.length === 0 ? (others?.size ?? 0) === 0 : own.some((issuer) => others?.has(issuer));
}
