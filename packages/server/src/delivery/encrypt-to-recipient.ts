import { type Refusal, refuse } from '@keyhold/protocol/errors';
import { armor, Encrypter } from 'age-encryption';
import { expose } from '../vault/expose.ts';
import type { Secret } from '../vault/secret.ts';

/** Encrypts to one recipient, as an armored age file; or says that this is no recipient. */
export type EncryptToRecipient = (secret: Secret) => Promise<string>;

/**
 * Reads a recipient before anything is made for him: an X25519 key (`age1…`) or a hybrid one (`age1pq1…`). Tried once,
 * since a key can be well formed and yet none that anything can be encrypted to (a point of low order, RFC 7748 §6.1).
 */
export async function readRecipient(recipient: string): Promise<EncryptToRecipient | Refusal> {
  const encrypter = new Encrypter();
  try {
    encrypter.addRecipient(recipient);
    await encrypter.encrypt('');
  } catch {
    return refuse('INVALID_INPUT', 'This is not an age recipient.', '/deliverTo/age');
  }
  return async (secret) => armor.encode(await encrypter.encrypt(expose(secret)));
}
