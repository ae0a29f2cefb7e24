import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Caller } from '../access/change-context.ts';
import type { TransitKeyRow } from '../database/transit-rows.ts';
import type { Vault } from '../vault/vault.ts';
import { transitEntry } from './create-transit-key.ts';
import { listTransitVersions } from './transit.store.ts';

export interface TransitSettings {
  readonly minDecryptionVersion?: number;
  readonly minEncryptionVersion?: number;
  readonly deletionAllowed?: boolean;
}

/** Changes which versions decrypt and encrypt, and whether the key may be deleted. */
export async function updateTransitKey(
  { ledger }: Vault,
  caller: Caller,
  key: TransitKeyRow,
  { minDecryptionVersion, minEncryptionVersion, deletionAllowed }: TransitSettings,
): Promise<TransitKeyRow | Refusal> {
  const recorded = await ledger.record(transitEntry(caller, key, 'transit-key.updated'), async (facts) => {
    const row = await facts.find('transit_keys', key.id);
    if (row === undefined) return refuse('SECRET_NOT_FOUND', 'There is no such key.');
    const least = minDecryptionVersion ?? row.min_decryption_version;
    const encrypts = minEncryptionVersion ?? row.min_encryption_version;
    if (least < 1 || least > row.latest_version || encrypts > row.latest_version) {
      return refuse('INVALID_INPUT', `The key has versions 1 to ${row.latest_version}.`);
    }
    if (encrypts !== 0 && encrypts < least) {
      return refuse('INVALID_INPUT', 'A version that encrypts has to decrypt too.');
    }
    return await facts.update('transit_keys', row, {
      min_decryption_version: least,
      min_encryption_version: encrypts,
      ...(deletionAllowed === undefined ? {} : { deletion_allowed: deletionAllowed ? 1 : 0 }),
    });
  });
  return isRefusal(recorded) ? recorded : recorded.value;
}

/** Versions removed with one entry: its leaf is bounded. */
const BATCH = 50;

/**
 * Removes a key for good, where that is allowed: nothing that it encrypted can be read any more. Versions go first, in
 * batches with an entry each; a crash between them leaves a key with fewer versions, and the call can be repeated.
 */
export async function removeTransitKey(
  { ledger, keyring }: Vault,
  caller: Caller,
  key: TransitKeyRow,
): Promise<null | Refusal> {
  for (let begun = false; ; begun = true) {
    const recorded = await ledger.record(transitEntry(caller, key, 'transit-key.removed'), async (facts) => {
      // Under the lock of the key: a version that is added meanwhile comes before and goes too, or finds it gone.
      const row = await facts.find('transit_keys', key.id);
      if (row === undefined) return { gone: [], last: true };
      // What has begun comes to its end.
      if (row.deletion_allowed === 0 && !begun) return refuse('INVALID_INPUT', 'deletion is not allowed for this key');
      const versions = await listTransitVersions(facts.db, key.id);
      const gone = versions.slice(0, BATCH);
      for (const { id } of gone) await facts.removeAnyway('transit_key_versions', id);
      const last = gone.length === versions.length;
      if (last) await facts.remove('transit_keys', row);
      return { gone, last };
    });
    if (isRefusal(recorded)) return recorded;
    for (const { version } of recorded.value.gone) keyring.unload(`${key.id}.${version}`);
    if (recorded.value.last) return null;
  }
}
