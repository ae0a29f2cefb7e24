import { EnvelopeBroken, keyFrom, openEnvelope } from '@keyhold/verifier/open-envelope';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Caller } from '../access/change-context.ts';
import type { TransitKeyRow, TransitKeyVersionRow } from '../database/transit-rows.ts';
import { readCheckedRows } from '../ledger/checked-rows.ts';
import { MAX_USES } from '../vault/key-uses.ts';
import { keyById } from '../vault/open-vault-key.ts';
import type { TransitKey } from '../vault/transit-cipher.ts';
import { placeIn, SEALED, type Vault } from '../vault/vault.ts';
import { rotateTransitKey } from './create-transit-key.ts';
import { findTransitKey, findTransitVersion } from './transit.store.ts';

/**
 * A key by its name, as the ledger recorded it: its place and the versions that it allows decide who decrypts what.
 * @returns undefined where there is none
 */
export async function openTransitKey(
  vault: Vault,
  environmentId: string,
  name: string,
): Promise<TransitKeyRow | Refusal | undefined> {
  const found = await findTransitKey(vault.reader, environmentId, name);
  if (found === undefined) return undefined;
  const [checked] = await readCheckedRows(vault.reader, ['transit_keys'], [found.id]);
  if (checked !== undefined && !('tampered' in checked)) return checked.row as TransitKeyRow;
  vault.tampered(found.id);
  return refuse('ROW_TAMPERED', `The key ${name} was tampered with.`);
}

/**
 * The version that encrypts now, counted as used once more. A key whose newest version was used often enough is rotated
 * first, by the first who comes; an older version that was, and is asked for by its number, encrypts no more.
 */
export async function transitKeyToEncrypt(
  vault: Vault,
  caller: Caller,
  key: TransitKeyRow,
  wanted: number,
  maxUses = MAX_USES,
): Promise<TransitKey | Refusal> {
  const least = Math.max(1, key.min_encryption_version);
  if (wanted !== 0 && (wanted < least || wanted > key.latest_version)) {
    return refuse('INVALID_INPUT', `Versions from ${least} to ${key.latest_version} encrypt.`, '/key_version');
  }
  const version = wanted === 0 ? key.latest_version : wanted;
  const opened = await transitVersion(vault, key, version);
  if (isRefusal(opened)) return opened;
  if ((await vault.uses.take(`${key.id}.${version}`)) <= maxUses) return opened;
  if (wanted !== 0)
    return refuse('INVALID_INPUT', `Version ${version} was used as often as it may be.`, '/key_version');
  const rotated = await rotateTransitKey(vault, caller, key, version);
  return isRefusal(rotated) ? rotated : await transitKeyToEncrypt(vault, caller, rotated.value, 0, maxUses);
}

/** A version to decrypt with. */
export async function transitKeyToDecrypt(
  vault: Vault,
  key: TransitKeyRow,
  version: number,
): Promise<TransitKey | Refusal> {
  if (version < key.min_decryption_version || version > key.latest_version) {
    return refuse('INVALID_INPUT', `Versions from ${key.min_decryption_version} to ${key.latest_version} decrypt.`);
  }
  return await transitVersion(vault, key, version);
}

async function transitVersion(vault: Vault, key: TransitKeyRow, version: number): Promise<TransitKey | Refusal> {
  const { keyring, reader } = vault;
  if (keyring.sealed) return SEALED;
  const name = `${key.id}.${version}`;
  const loaded = keyring.loaded(name);
  if (loaded !== undefined) return { keyId: key.id, version, key: loaded.key };
  const id = await findTransitVersion(reader, key.id, version);
  const [checked] = id === undefined ? [] : await readCheckedRows(reader, ['transit_key_versions'], [id]);
  if (checked === undefined || 'tampered' in checked) {
    if (checked !== undefined) vault.tampered(checked.tampered);
    return refuse('ROW_TAMPERED', `Version ${version} was tampered with.`);
  }
  const row = checked.row as TransitKeyVersionRow;
  const under = await keyById(vault, row.vault_key_id);
  if (isRefusal(under)) return under;
  const place = placeIn(vault, 'transit.key', key, key.id, version);
  try {
    const opened = keyFrom(openEnvelope(under, row.envelope, place));
    keyring.load({ id: name, version, key: opened }, null);
    return { keyId: key.id, version, key: opened };
  } catch (error) {
    if (!(error instanceof EnvelopeBroken)) throw error;
    vault.broken(place, error.message);
    return refuse('ENVELOPE_BROKEN', `Version ${version} does not open where it lies.`);
  }
}
