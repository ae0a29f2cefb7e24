import { isRefusal } from '@keyhold/protocol/errors';
import type { Caller } from '../access/change-context.ts';
import type { SecretRow } from '../database/schema.ts';
import type { Facts } from '../ledger/facts.ts';
import type { Vault } from '../vault/vault.ts';
import { endLinks } from './end-links.ts';
import { heldSettings } from './find-secret-settings.ts';
import { secretEntry } from './open-secret.ts';
import { versionsKept } from './secret-record.ts';
import { findUndestroyed } from './secrets.store.ts';

/** Versions destroyed with one entry: its leaf is bounded. */
const BATCH = 20;

/**
 * Destroys versions beyond those that the secret keeps, oldest first, and ends the links that wait to give one; as far as
 * one entry goes.
 * @returns whether more are left
 */
export async function destroyBatch(facts: Facts, secret: SecretRow): Promise<boolean> {
  const settings = await heldSettings(facts, secret.environment_id);
  const past = secret.version - versionsKept(secret, settings?.max_versions ?? 0);
  const batch = past < 1 ? [] : await findUndestroyed(facts.db, secret.id, past, BATCH);
  let destroyed = 0;
  for (const id of batch) {
    // One that was tampered with keeps back neither the others nor a new version.
    if ((await facts.takeAway('secret_versions', id, { envelope: null })) !== undefined) destroyed++;
  }
  const left = past >= 1 && (await endLinks(facts, secret.id, (version) => version <= past));
  // Rows that were slipped in stay, and would be found for ever.
  return left || (batch.length === BATCH && destroyed > 0);
}

/**
 * The rest of them, in batches with an entry each. A crash between them, or a store that can't be written to now, leaves
 * what is left to the next write: whoever wrote is answered with what he has, and never told that it is not there.
 */
export async function destroyOldVersions(
  { ledger }: Vault,
  caller: Caller,
  secret: Pick<SecretRow, 'id' | 'project_id' | 'environment_id'>,
): Promise<void> {
  const draft = { ...secretEntry(caller, secret, 'secret.destroyed'), idempotency: undefined };
  for (let left = true; left; ) {
    const recorded = await ledger
      .record(draft, async (facts) => {
        const row = await facts.find('secrets', secret.id);
        return row !== undefined && (await destroyBatch(facts, row));
      })
      .catch(() => null);
    left = recorded !== null && !isRefusal(recorded) && recorded.value;
  }
}
