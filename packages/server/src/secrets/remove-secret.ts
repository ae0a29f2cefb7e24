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
  { ledger, reader }: Vault,
  caller: Caller,
  secret: PlacedSecret,
): Promise<{ id: string; versions: number } | Refusal> {
  let removed = 0;
  for (;;) {
    const batch = await listVersions(reader, secret.id, undefined, BATCH);
    const last = batch.length < BATCH;
    const recorded = await ledger.record(secretEntry(caller, secret, 'secret.removed'), async (facts) => {
      for (const { id } of batch) {
        const row = await facts.find('secret_versions', id);
        if (row !== undefined) await facts.remove('secret_versions', row);
      }
      const row = last ? await facts.find('secrets', secret.id) : undefined;
      if (row !== undefined) await facts.remove('secrets', row);
      return batch.length;
    });
    if (isRefusal(recorded)) return recorded;
    removed += recorded.value;
    if (last) return { id: secret.id, versions: removed };
  }
}
