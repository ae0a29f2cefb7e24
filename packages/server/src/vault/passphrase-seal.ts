import { KEY_BYTES } from '@keyhold/verifier/open-envelope';
import { argon2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import type { PassphraseParameters } from './seal.ts';

const argon2Async = promisify(argon2);

/** RFC 9106 §4, second recommended option: 64 MiB, three passes. About a fifth of a second. */
const MEMORY_KIB = 64 * 1024;
const PASSES = 3;
const PARALLELISM = 4;
const SALT_BYTES = 16;

export function newPassphraseParameters(): PassphraseParameters {
  const salt = randomBytes(SALT_BYTES).toString('hex');
  return { kind: 'passphrase', memoryKiB: MEMORY_KIB, passes: PASSES, parallelism: PARALLELISM, salt };
}

/** The seal's key (argon2id); the caller's to wipe. Not on the event loop. */
export async function keyOfPassphrase(parameters: PassphraseParameters, passphrase: string): Promise<Buffer> {
  const { memoryKiB, passes, parallelism, salt } = parameters;
  // The same characters, however a keyboard composes them (RFC 8265 §4.2.1).
  const message = Buffer.from(passphrase.normalize('NFC'));
  const nonce = Buffer.from(salt, 'hex');
  const key = await argon2Async('argon2id', {
    message,
    nonce,
    parallelism,
    tagLength: KEY_BYTES,
    memory: memoryKiB,
    passes,
  });
  message.fill(0);
  // Not a copy of it, which would leave this one to the collector.
  return key;
}
