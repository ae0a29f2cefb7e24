import { createHash, createSecretKey, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto';
import { NONCE_BYTES, open, seal, TAG_BYTES } from './aead.ts';
import { associatedData, type Place } from './sealed-field.ts';

/**
 * A 256-bit key under another: format, suite, version of the wrapping key, commitment, then AES-256-GCM.
 * GCM does not commit to its key: one ciphertext can be made to open under two. The commitment does: SHA-256 over the
 * wrapped key, which as 256 random bits can't be guessed from it.
 */
const FORMAT = 1;
const SUITE_AES_256_GCM = 1;
const HEADER_BYTES = 6;
const COMMITMENT_BYTES = 32;
export const KEY_BYTES = 32;
export const WRAPPED_BYTES = HEADER_BYTES + COMMITMENT_BYTES + NONCE_BYTES + KEY_BYTES + TAG_BYTES;

/** A key that wraps others, by id and version. */
export interface WrappingKey {
  readonly id: string;
  readonly version: number;
  readonly key: KeyObject;
}

/** What can't be opened, and is never served: damaged, of another place, or under another key. */
export class EnvelopeBroken extends Error {
  override readonly name = 'EnvelopeBroken';
  readonly place: Place;

  constructor(place: Place, reason: string) {
    super(`${place.field} ${place.id} version ${place.version}: ${reason}`);
    this.place = place;
  }
}

/** A fresh key. The bytes are the caller's to wipe. */
export function newKeyBytes(): Buffer {
  return randomBytes(KEY_BYTES);
}

/** Takes the bytes over: they are wiped. */
export function keyFrom(bytes: Buffer): KeyObject {
  const key = createSecretKey(bytes);
  bytes.fill(0);
  return key;
}

/** Recognises a key without telling anything of it. */
export function commitmentTo(keyBytes: Uint8Array): Buffer {
  return createHash('sha256').update('keyhold/v1/key-commitment\0').update(keyBytes).digest();
}

export function wrapKey(under: WrappingKey, keyBytes: Uint8Array, place: Place): Buffer {
  const header = headerOf(under.version);
  const commitment = commitmentTo(keyBytes);
  const associated = associatedData('key', place, bound(under, header, commitment));
  return Buffer.concat([header, commitment, seal(under.key, keyBytes, associated)]);
}

/**
 * The bytes of a wrapped key; the caller's to wipe.
 * @throws EnvelopeBroken
 */
export function unwrapKey(under: WrappingKey, wrapped: Uint8Array, place: Place): Buffer {
  const header = headerOf(under.version);
  if (wrapped.length !== WRAPPED_BYTES) throw new EnvelopeBroken(place, 'the wrapped key has another length');
  if (!header.equals(wrapped.subarray(0, HEADER_BYTES))) {
    throw new EnvelopeBroken(place, 'the wrapped key has another format, or is under another version of its key');
  }
  const commitment = wrapped.subarray(HEADER_BYTES, HEADER_BYTES + COMMITMENT_BYTES);
  const associated = associatedData('key', place, bound(under, header, commitment));
  const bytes = open(under.key, wrapped.subarray(HEADER_BYTES + COMMITMENT_BYTES), associated);
  if (bytes === null) throw new EnvelopeBroken(place, 'the wrapped key does not open here');
  if (!timingSafeEqual(commitmentTo(bytes), commitment)) {
    bytes.fill(0);
    throw new EnvelopeBroken(place, 'the wrapped key is not the one that was committed to');
  }
  return bytes;
}

function headerOf(version: number): Buffer {
  const header = Buffer.from([FORMAT, SUITE_AES_256_GCM, 0, 0, 0, 0]);
  header.writeUInt32BE(version, 2);
  return header;
}

function bound({ id }: WrappingKey, header: Uint8Array, commitment: Uint8Array): Record<string, string> {
  return {
    commitment: Buffer.from(commitment).toString('hex'),
    header: Buffer.from(header).toString('hex'),
    key: id,
  };
}
