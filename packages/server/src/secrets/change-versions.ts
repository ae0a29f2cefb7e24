import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { SecretVersion, StoredSecret } from '@keyhold/protocol/operations/secrets';
import type { Caller } from '../access/change-context.ts';
import type { SecretVersionRow } from '../database/schema.ts';
import type { Vault } from '../vault/vault.ts';
import { findHeld, secretEntry } from './open-secret.ts';
import { type PlacedSecret, showSecret, showVersion } from './secret-record.ts';
import { findVersions } from './secrets.store.ts';

/** What becomes of versions, and the word of the entry. */
const VERSION_CHANGES = {
  delete: { action: 'secret.deleted', patch: (now: number) => ({ deleted_at: now }) },
  undelete: { action: 'secret.undeleted', patch: () => ({ deleted_at: null, expires_at: null }) },
  destroy: { action: 'secret.destroyed', patch: () => ({ envelope: null }) },
} as const satisfies Record<string, { action: string; patch: (now: number) => Partial<SecretVersionRow> }>;

export type VersionChange = keyof typeof VERSION_CHANGES;

/** Deletes, undeletes or destroys versions of a secret, all or none. */
export async function changeVersions(
  { ledger, reader, clock }: Vault,
  caller: Caller,
  secret: PlacedSecret,
  change: VersionChange,
  versions: readonly number[],
): Promise<{ secret: StoredSecret; versions: SecretVersion[]; sequence: number } | Refusal> {
  const listed = await findVersions(reader, secret.id, versions);
  const missing = versions.find((version) => !listed.some((row) => row.version === version));
  if (missing !== undefined) return refuse('SECRET_VERSION_GONE', `There is no version ${missing}.`, '/versions');
  const now = clock.wall();
  const { action, patch } = VERSION_CHANGES[change];
  const recorded = await ledger.record(secretEntry(caller, secret, action), async (facts) => {
    const held = await findHeld(facts, secret);
    if (isRefusal(held)) return held;
    const changed: SecretVersion[] = [];
    for (const { id, version } of listed) {
      const row = await facts.find('secret_versions', id);
      if (row === undefined) return refuse('SECRET_VERSION_GONE', `There is no version ${version}.`, '/versions');
      if (row.envelope === null && change !== 'destroy') {
        return refuse('SECRET_VERSION_GONE', `Version ${version} is destroyed.`, '/versions');
      }
      // Deleted stays deleted since when it was.
      const settled = change === 'delete' && row.deleted_at !== null;
      changed.push(showVersion(settled ? row : await facts.update('secret_versions', row, patch(now)), now));
    }
    return changed;
  });
  if (isRefusal(recorded)) return recorded;
  return { secret: showSecret(secret, secret), versions: recorded.value, sequence: recorded.sequence };
}
