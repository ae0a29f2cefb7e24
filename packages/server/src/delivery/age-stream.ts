import { type Refusal, refuse } from '@keyhold/protocol/errors';
import { Decrypter, Encrypter } from 'age-encryption';

/** Encrypts a stream to recipients (`age1…`), or says which of them is none. */
export async function encryptStream(
  recipients: readonly string[],
): Promise<Refusal | ((plain: ReadableStream<Uint8Array>) => Promise<ReadableStream<Uint8Array>>)> {
  const encrypter = new Encrypter();
  for (const [i, recipient] of recipients.entries()) {
    if ((await encrypterTo(recipient)) === null) {
      return refuse('INVALID_INPUT', 'This is not an age recipient.', `/recipients/${i}`);
    }
    encrypter.addRecipient(recipient);
  }
  return (plain) => encrypter.encrypt(plain);
}

/**
 * What encrypts to one recipient, or null where he is none. Tried once, since a key can be well formed and yet none that
 * anything can be encrypted to (a point of low order, RFC 7748 §6.1).
 */
export async function encrypterTo(recipient: string): Promise<Encrypter | null> {
  const encrypter = new Encrypter();
  try {
    encrypter.addRecipient(recipient);
    await encrypter.encrypt('');
  } catch {
    return null;
  }
  return encrypter;
}

/**
 * Decrypts a stream with whichever of these identities (`AGE-SECRET-KEY-…`) it is encrypted to.
 * @throws Error when one is none, or none is of a recipient
 */
export function decryptStream(
  identities: readonly string[],
  sealed: ReadableStream<Uint8Array>,
): Promise<ReadableStream<Uint8Array>> {
  const decrypter = new Decrypter();
  for (const identity of identities) decrypter.addIdentity(identity);
  return decrypter.decrypt(sealed);
}
