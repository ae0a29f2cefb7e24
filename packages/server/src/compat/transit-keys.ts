import { isRefusal } from '@keyhold/protocol/errors';
import type { TransitKeyRow } from '../database/transit-rows.ts';
import { createTransitKey, rotateTransitKey } from '../secrets/create-transit-key.ts';
import { openTransitKey } from '../secrets/open-transit-key.ts';
import { listTransitKeys, listTransitVersions } from '../secrets/transit.store.ts';
import { removeTransitKey, updateTransitKey } from '../secrets/update-transit-key.ts';
import { readBoolean } from './boolean.ts';
import { wholeNumber } from './whole-number.ts';
import { isKeyName } from './transit.ts';
import { TYPE, unsupportedOption } from './transit-options.ts';
import { data, errors, NO_CONTENT, NOT_THERE, refusalAnswer, type VaultAnswer } from './vault-answer.ts';
import type { VaultApi, VaultCall } from './vault-call.ts';

/** `transit/keys…`: create, read, list, config, rotate, delete. */
export async function transitKeys(api: VaultApi, call: VaultCall): Promise<VaultAnswer> {
  const [name = '', operation] = call.path.replace(/^\//, '').split('/');
  if (call.method === 'LIST' && name === '') return await list(api, call);
  if (!isKeyName(name)) return errors(400, 'a key is named by letters, digits, "-", "_" and "."');
  const place = await call.open(call.method === 'GET' ? 'transit.read' : 'transit.manage');
  if (isRefusal(place)) return refusalAnswer(place);
  const key = await openTransitKey(api.vault, place.environment.id, name);
  if (key !== undefined && isRefusal(key)) return refusalAnswer(key);
  if (call.method === 'POST' && operation === undefined) {
    const unsupported = unsupportedOption(call.body);
    if (unsupported !== null) return errors(400, unsupported);
    const inEnvironment = { project_id: place.project.id, environment_id: place.environment.id };
    if (key !== undefined) return await show(api, key);
    const made = await createTransitKey(api.vault, call.caller, inEnvironment, name);
    return isRefusal(made) ? refusalAnswer(made) : await show(api, made.value, made.sequence);
  }
  if (key === undefined)
    return call.method === 'GET' ? NOT_THERE : errors(400, 'no existing key named by this path could be found');
  if (call.method === 'GET' && operation === undefined) return await show(api, key);
  if (call.method === 'DELETE' && operation === undefined) {
    const removed = await removeTransitKey(api.vault, call.caller, key);
    return removed === null ? NO_CONTENT : refusalAnswer(removed);
  }
  if (call.method === 'POST' && operation === 'rotate') {
    const rotated = await rotateTransitKey(api.vault, call.caller, key);
    return isRefusal(rotated) ? refusalAnswer(rotated) : await show(api, rotated.value, rotated.sequence);
  }
  if (call.method === 'POST' && operation === 'config') return await configure(api, call, key);
  return errors(405, 'unsupported operation');
}

async function list({ reader }: VaultApi, call: VaultCall): Promise<VaultAnswer> {
  const place = await call.open('transit.read');
  if (isRefusal(place)) return refusalAnswer(place);
  const keys = await listTransitKeys(reader, place.environment.id);
  return keys.length === 0 ? NOT_THERE : data({ keys: keys.map(({ name }) => name) });
}

async function configure(api: VaultApi, call: VaultCall, key: TransitKeyRow): Promise<VaultAnswer> {
  const { min_decryption_version, min_encryption_version, deletion_allowed, ...others } = call.body;
  const unsupported = unsupportedOption(others);
  if (unsupported !== null) return errors(400, unsupported);
  const versions = [min_decryption_version, min_encryption_version].map((value) =>
    value === undefined ? undefined : wholeNumber(value),
  );
  const [minDecryptionVersion, minEncryptionVersion] = versions;
  if (minDecryptionVersion === null || minEncryptionVersion === null) return errors(400, 'versions are numbers');
  const deletionAllowed = deletion_allowed === undefined ? undefined : readBoolean(deletion_allowed);
  if (deletionAllowed === null) return errors(400, 'deletion_allowed is true or false');
  const updated = await updateTransitKey(api.vault, call.caller, key, {
    // Vault reads 0 as 1.
    ...(minDecryptionVersion === undefined ? {} : { minDecryptionVersion: Math.max(1, minDecryptionVersion) }),
    ...(minEncryptionVersion === undefined ? {} : { minEncryptionVersion }),
    ...(deletionAllowed === undefined ? {} : { deletionAllowed }),
  });
  return isRefusal(updated) ? refusalAnswer(updated) : await show(api, updated);
}

async function show({ reader }: VaultApi, key: TransitKeyRow, sequence?: number): Promise<VaultAnswer> {
  const versions = await listTransitVersions(reader, key.id);
  const shown = data({
    name: key.name,
    type: TYPE,
    keys: Object.fromEntries(versions.map(({ version, created_at }) => [version, Math.floor(created_at / 1000)])),
    latest_version: key.latest_version,
    min_available_version: 0,
    min_decryption_version: key.min_decryption_version,
    min_encryption_version: key.min_encryption_version,
    deletion_allowed: key.deletion_allowed === 1,
    derived: false,
    exportable: false,
    allow_plaintext_backup: false,
    auto_rotate_period: 0,
    imported_key: false,
    supports_encryption: true,
    supports_decryption: true,
    supports_derivation: false,
    supports_signing: false,
  });
  return sequence === undefined ? shown : { ...shown, sequence };
}
