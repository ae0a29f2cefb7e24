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

/** Removes a key for good, where that was allowed: nothing that it encrypted can be read any more. */
export async function removeTransitKey(
  { ledger, reader, keyring }: Vault,
  caller: Caller,
  key: TransitKeyRow,
): Promise<null | Refusal> {
  if (key.deletion_allowed === 0) return refuse('INVALID_INPUT', 'deletion is not allowed for this key');
  for (;;) {
    const versions = (await listTransitVersions(reader, key.id)).slice(0, BATCH);
    const last = versions.length < BATCH;
    const recorded = await ledger.record(transitEntry(caller, key, 'transit-key.removed'), async (facts) => {
      for (const { id } of versions) {
        const row = await facts.find('transit_key_versions', id);
        if (row !== undefined) await facts.remove('transit_key_versions', row);
      }
      const row = last ? await facts.find('transit_keys', key.id) : undefined;
      if (row !== undefined) await facts.remove('transit_keys', row);
      return null;
    });
    if (isRefusal(recorded)) return recorded;
    for (const { version } of versions) keyring.unload(`${key.id}.${version}`);
    if (last) return null;
  }
}
