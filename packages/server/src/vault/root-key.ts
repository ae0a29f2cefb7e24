import { EnvelopeBroken, keyFrom, unwrapKey } from '@keyhold/verifier/open-envelope';
import { createHash, hkdfSync, type KeyObject } from 'node:crypto';
import type { SealRow } from '../database/schema.ts';
import type { StoredParameters } from './seal.ts';
import type { Place } from '@keyhold/protocol/sealed-field';
import type { Unsealed } from './keyring.ts';
import { wrapKey } from './wrapped-key.ts';

/** Id under which associated data knows the root key; there is one. */
const ROOT = 'root-key';

export function parametersOf({ parameters }: SealRow): StoredParameters {
  return JSON.parse(parameters) as StoredParameters;
}

/** The root key, wrapped under the key of a seal. */
export function wrapRootKey(
  installation: string,
  seal: { readonly id: string; readonly rootVersion: number },
  sealKey: KeyObject,
  rootKeyBytes: Uint8Array,
): string {
  const under = { id: seal.id, version: seal.rootVersion, key: sealKey };
  return wrapKey(under, rootKeyBytes, rootPlace(installation, seal.rootVersion)).toString('hex');
}

/**
 * What an unsealed installation has in memory. Wipes `sealKeyBytes`.
 * @throws EnvelopeBroken when this is not the key of that seal
 */
export function unwrapRootKey(installation: string, seal: SealRow, sealKeyBytes: Buffer): Unsealed {
  const sealKey = keyFrom(sealKeyBytes);
  const unwrap = (wrapped: string, version: number) => {
    const under = { id: seal.id, version, key: sealKey };
    const bytes = unwrapKey(under, Buffer.from(wrapped, 'hex'), rootPlace(installation, version));
    return { id: ROOT, version, key: keyFrom(bytes) };
  };
  const { root_key, previous_root_key, root_version } = seal;
  const previousRoot = previous_root_key === null ? null : unwrap(previous_root_key, root_version - 1);
  return { root: unwrap(root_key, root_version), previousRoot, sealKey };
}

/**
 * What the seal holds now, opened with the seal's key that is in memory. After a commit whose outcome was unknown
 * either of them may be another.
 * @returns null where that is not the key of this seal
 */
export function reopenRootKey(installation: string, seal: SealRow, { sealKey }: Unsealed): Unsealed | null {
  try {
    return unwrapRootKey(installation, seal, sealKey.export());
  } catch (error) {
    if (error instanceof EnvelopeBroken) return null;
    throw error;
  }
}

/** True when this key file was the root key of an installation before there were seals. */
export function isOldRootKey(keyBytes: Buffer, check: string): boolean {
  const derived = hkdfSync('sha256', keyBytes, Buffer.alloc(0), 'keyhold/v1/root-key-check', keyBytes.length);
  return createHash('sha256').update(Buffer.from(derived)).digest('hex') === check;
}

function rootPlace(installation: string, version: number): Place {
  return { field: 'root-key', installation, project: null, environment: null, id: ROOT, version };
}
