import { randomBytes } from 'node:crypto';
import { associatedData, type Place } from '@keyhold/protocol/sealed-field';
import { boundToWrapping, commitmentTo, headerOf, KEY_BYTES, type WrappingKey } from '@keyhold/verifier/open-envelope';
import { seal } from './aead.ts';

/** A fresh key. The bytes are the caller's to wipe. */
export function newKeyBytes(): Buffer {
  return randomBytes(KEY_BYTES);
}

/** Wraps a key under another, for one place. */
export function wrapKey(under: WrappingKey, keyBytes: Uint8Array, place: Place): Buffer {
  const commitment = commitmentTo(keyBytes);
  const associated = associatedData('key', place, boundToWrapping(under, commitment));
  return Buffer.concat([headerOf(under.version), commitment, seal(under.key, keyBytes, associated)]);
}
