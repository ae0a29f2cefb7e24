import { createDecipheriv, createHash, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';
import { associatedData, type Place } from '@keyhold/protocol/sealed-field';

/**
 * Opens what the vault sealed (`docs/decisions/0013-envelopes.md`): the vault itself does it with this, and so does a
 * verifier for the secrets that it checks signatures with.
 *
 * A layer is AES-256-GCM (SP 800-38D) with random 96-bit nonces: nonce ‖ ciphertext ‖ 128-bit tag.
 */
export const CIPHER = 'aes-256-gcm';
export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;

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

/** The plaintext, or null when key, bytes or associated data are not those that it was sealed with. */
export function open(key: KeyObject, sealed: Uint8Array, associated: Uint8Array): Buffer | null {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) return null;
  const decipher = createDecipheriv(CIPHER, key, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(associated);
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  const plaintext = decipher.update(sealed.subarray(NONCE_BYTES, sealed.length - TAG_BYTES));
  try {
    decipher.final();
  } catch {
    plaintext.fill(0);
    return null;
  }
  return plaintext;
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
  const associated = associatedData('key', place, boundToWrapping(under, commitment));
  const bytes = open(under.key, wrapped.subarray(HEADER_BYTES + COMMITMENT_BYTES), associated);
  if (bytes === null) throw new EnvelopeBroken(place, 'the wrapped key does not open here');
  if (!timingSafeEqual(commitmentTo(bytes), commitment)) {
    bytes.fill(0);
    throw new EnvelopeBroken(place, 'the wrapped key is not the one that was committed to');
  }
  return bytes;
}

/**
 * The plaintext; the caller's to wipe.
 * @throws EnvelopeBroken
 */
export function openEnvelope(under: WrappingKey, envelope: string, place: Place): Buffer {
  const bytes = Buffer.from(envelope, 'hex');
  const keyBytes = unwrapKey(under, bytes.subarray(0, WRAPPED_BYTES), place);
  const commitment = commitmentTo(keyBytes).toString('hex');
  const associated = associatedData('data', place, { commitment });
  const plaintext = open(keyFrom(keyBytes), bytes.subarray(WRAPPED_BYTES), associated);
  if (plaintext === null) throw new EnvelopeBroken(place, 'the data does not open under its own key');
  return plaintext;
}

export function headerOf(version: number): Buffer {
  const header = Buffer.from([FORMAT, SUITE_AES_256_GCM, 0, 0, 0, 0]);
  header.writeUInt32BE(version, 2);
  return header;
}

/** What a wrapped key is bound to beside its place. */
export function boundToWrapping({ id, version }: WrappingKey, commitment: Uint8Array): Record<string, string> {
  return {
    commitment: Buffer.from(commitment).toString('hex'),
    header: headerOf(version).toString('hex'),
    key: id,
  };
}
