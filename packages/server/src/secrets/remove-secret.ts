import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import type { Caller } from '../access/change-context.ts';
import type { Vault } from '../vault/vault.ts';
import { endLinks } from './end-links.ts';
import { secretEntry } from './open-secret.ts';
import type { PlacedSecret } from './secret-record.ts';
import { listVersions } from './secrets.store.ts';

/** Versions removed with one entry: its leaf is bounded. */
const BATCH = 50;

/**
 * Removes a secret with all its versions and the links that wait to give one, for good. Versions go first, in batches with an entry each; a crash between
 * them leaves a secret with fewer versions, and the call can be repeated. It works on rows that somebody wrote past the
 * ledger too (decision 0008).
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
      const left = await endLinks(facts, secret.id, () => true);
      // Links first: which of them are of this secret its versions say.
      const most = left ? 0 : Math.min(BATCH, facts.room - 1);
      const batch = await listVersions(facts.db, secret.id, undefined, most);
      let count = 0;
      for (const { id } of batch) if (await facts.removeAnyway('secret_versions', id)) count++;
      // A row that nothing removes is not tried for ever.
      const last = !left && (batch.length < most || count === 0);
      if (last) await facts.removeAnyway('secrets', secret.id);
      return { count, last };
    });
    if (isRefusal(recorded)) return recorded;
    removed += recorded.value.count;
    if (recorded.value.last) return { id: secret.id, versions: removed, sequence: recorded.sequence };
  }
}
