import { createCipheriv, type KeyObject } from 'node:crypto';
import { CIPHER, NONCE_BYTES, TAG_BYTES } from '@keyhold/verifier/open-envelope';
import { systemRandom } from '../random.ts';

/** One layer: nonce ‖ ciphertext ‖ tag. Opened by `@keyhold/verifier/open-envelope`. */
export function seal(key: KeyObject, plaintext: Uint8Array, associated: Uint8Array): Buffer {
  const nonce = systemRandom.bytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(associated);
  const ciphertext = cipher.update(plaintext);
  cipher.final();
  return Buffer.concat([nonce, ciphertext, cipher.getAuthTag()]);
}
