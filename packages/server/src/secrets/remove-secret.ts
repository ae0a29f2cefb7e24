import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import type { Caller } from '../access/change-context.ts';
import type { Vault } from '../vault/vault.ts';
import { secretEntry } from './open-secret.ts';
import type { PlacedSecret } from './secret-record.ts';
import { listVersions } from './secrets.store.ts';

/** Versions removed with one entry: its leaf is bounded. */
const BATCH = 50;

/**
 * Removes a secret with all its versions, for good. Versions go first, in batches with an entry each; a crash between
 * them leaves a secret with fewer versions, and the call can be repeated.
 */
export async function removeSecret(
  { ledger }: Vault,
  caller: Caller,
  secret: PlacedSecret,
): Promise<{ id: string; versions: number; sequence: number } | Refusal> {
  let removed = 0;
  for (;;) {
    const recorded = await ledger.record(secretEntry(caller, secret, 'secret.removed'), async (facts) => {
      // Under the lock of the secret: a version that is stored meanwhile comes before and goes too, or finds it gone.
      const batch = await listVersions(facts.db, secret.id, undefined, BATCH);
      const last = batch.length < BATCH;
      for (const { id } of batch) {
        const row = await facts.find('secret_versions', id);
        if (row !== undefined) await facts.remove('secret_versions', row);
      }
      const row = last ? await facts.find('secrets', secret.id) : undefined;
      if (row !== undefined) await facts.remove('secrets', row);
      return { count: batch.length, last };
    });
    if (isRefusal(recorded)) return recorded;
    removed += recorded.value.count;
    if (recorded.value.last) return { id: secret.id, versions: removed, sequence: recorded.sequence };
  }
}
