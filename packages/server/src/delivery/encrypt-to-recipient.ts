import { type Refusal, refuse } from '@keyhold/protocol/errors';
import { armor } from 'age-encryption';
import { expose } from '../vault/expose.ts';
import type { Secret } from '../vault/secret.ts';
import { encrypterTo } from './age-stream.ts';

/** Encrypts to one recipient, as an armored age file; or says that this is no recipient. */
export type EncryptToRecipient = (secret: Secret) => Promise<string>;

/** Reads a recipient before anything is made for him: an X25519 key (`age1…`) or a hybrid one (`age1pq1…`). */
export async function readRecipient(recipient: string): Promise<EncryptToRecipient | Refusal> {
  const encrypter = await encrypterTo(recipient);
  if (encrypter === null) return refuse('INVALID_INPUT', 'This is not an age recipient.', '/deliverTo/age');
  return async (secret) => armor.encode(await encrypter.encrypt(expose(secret)));
}
