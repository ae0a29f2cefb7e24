import { open, seal } from './aead.ts';
import { associatedData, type Place } from './sealed-field.ts';
import {
  commitmentTo,
  EnvelopeBroken,
  keyFrom,
  newKeyBytes,
  unwrapKey,
  WRAPPED_BYTES,
  wrapKey,
  type WrappingKey,
} from './wrapped-key.ts';

/**
 * An envelope: a data key of its own, wrapped under a key of the environment, and the data under the data key. Both
 * layers are bound to the same place. As text it is lower-case hex, like all bytes that are stored (decision 0003).
 */
export function sealEnvelope(under: WrappingKey, plaintext: Uint8Array, place: Place): string {
  const keyBytes = newKeyBytes();
  const wrapped = wrapKey(under, keyBytes, place);
  const commitment = commitmentTo(keyBytes).toString('hex');
  const data = seal(keyFrom(keyBytes), plaintext, associatedData('data', place, { commitment }));
  return Buffer.concat([wrapped, data]).toString('hex');
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

/**
 * The same data under another key of the environment: only the wrapped key changes.
 * @throws EnvelopeBroken
 */
export function rewrapEnvelope(from: WrappingKey, to: WrappingKey, envelope: string, place: Place): string {
  const bytes = Buffer.from(envelope, 'hex');
  const keyBytes = unwrapKey(from, bytes.subarray(0, WRAPPED_BYTES), place);
  const wrapped = wrapKey(to, keyBytes, place);
  keyBytes.fill(0);
  return Buffer.concat([wrapped, bytes.subarray(WRAPPED_BYTES)]).toString('hex');
}
