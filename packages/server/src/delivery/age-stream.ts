import { type Refusal, refuse } from '@keyhold/protocol/errors';
import { Decrypter, Encrypter } from 'age-encryption';

/** Encrypts a stream to recipients (`age1…`), or says which of them is none. */
export function encryptStream(
  recipients: readonly string[],
): Refusal | ((plain: ReadableStream<Uint8Array>) => Promise<ReadableStream<Uint8Array>>) {
  const encrypter = new Encrypter();
  for (const [i, recipient] of recipients.entries()) {
    try {
      encrypter.addRecipient(recipient);
    } catch {
      return refuse('INVALID_INPUT', 'This is not an age recipient.', `/recipients/${i}`);
    }
  }
  return (plain) => encrypter.encrypt(plain);
}

/**
 * Decrypts a stream with an identity (`AGE-SECRET-KEY-…`).
 * @throws Error when it is none, or not of a recipient
 */
export function decryptStream(
  identity: string,
  sealed: ReadableStream<Uint8Array>,
): Promise<ReadableStream<Uint8Array>> {
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  return decrypter.decrypt(sealed);
}
