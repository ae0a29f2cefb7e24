import { associatedData, type Place } from '@keyhold/protocol/sealed-field';
import { commitmentTo, keyFrom, unwrapKey, WRAPPED_BYTES, type WrappingKey } from '@keyhold/verifier/open-envelope';
import { seal } from './aead.ts';
import { newKeyBytes, wrapKey } from './wrapped-key.ts';

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
