import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import type { ScratchTables } from '../database/scratch-tables.ts';
import type { GrantedLease } from './lease-book.ts';

/** Stands for all verifiers that this state of the database may know nothing of. No verifier can name itself so. */
const UNKNOWN_HOLDER = 'unknown';

/**
 * Counts on it that of every environment a lease is held by somebody who is not stored, as long as one lasts here: where
 * a state of before comes back, whoever was granted one since then is not in it.
 */
export async function storeUnknownHolder(db: Kysely<Database>): Promise<void> {
  const environments = await db.selectFrom('environments').select(['id', 'lease_seconds']).execute();
  const leases = environments.map(({ id, lease_seconds }) => ({ environment: id, seconds: lease_seconds }));
  await storeHolder(db, UNKNOWN_HOLDER, UNKNOWN_HOLDER, leases);
}

/** Makes holders durable before their grant is sent, so that a restarted control plane waits for them. */
export async function storeHolder(
  db: Kysely<Database>,
  verifier: string,
  tokenId: string,
  leases: readonly Pick<GrantedLease, 'environment' | 'seconds'>[],
): Promise<void> {
  if (leases.length === 0) return;
  await db
    .insertInto('lease_holders')
    .values(
      leases.map(({ environment, seconds }) => ({
        verifier_id: verifier,
        environment_id: environment,
        lease_seconds: seconds,
        token_id: tokenId,
      })),
    )
    .onConflict((conflict) =>
      conflict
        .columns(['verifier_id', 'environment_id'])
        .doUpdateSet((eb) => ({ lease_seconds: eb.ref('excluded.lease_seconds') })),
    )
    .execute();
}

export async function loadHolders(
  db: Kysely<Database>,
): Promise<{ verifier: string; tokenId: string; environment: string; seconds: number }[]> {
  const rows = await db.selectFrom('lease_holders').selectAll().execute();
  return rows.map(({ verifier_id, token_id, environment_id, lease_seconds }) => ({
    verifier: verifier_id,
    tokenId: token_id,
    environment: environment_id,
    seconds: lease_seconds,
  }));
}

export async function forgetHolders(tables: Kysely<ScratchTables>, verifiers: readonly string[]): Promise<void> {
  if (verifiers.length === 0) return;
  await tables
    .deleteFrom('lease_holders')
    .where('verifier_id', 'in', [...verifiers])
    .execute();
}
