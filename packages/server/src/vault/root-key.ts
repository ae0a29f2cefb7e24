import { createHash, createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { writeSecretFile } from './secret-file.ts';

/** The root key of an installation: 256 bits, from which every other key is derived or under which it is wrapped. */
export interface RootKey {
  /** A key for one purpose (HKDF-SHA-256, RFC 5869); the same purpose always gives the same key. */
  derive(purpose: string): KeyObject;
  /** Recognises this root key without telling anything of it. */
  readonly check: string;
}

const ROOT_KEY_BYTES = 32;

/** The root key can't be used; says what to do. */
export class RootKeyError extends Error {
  override readonly name = 'RootKeyError';
}

/**
 * Reads the root key, or makes it where `expectedCheck` is null: at the very first start.
 * @throws with what to do, when the file is missing, readable by others, damaged or of another installation.
 */
export function openRootKey(file: string, expectedCheck: string | null): RootKey {
  if (!existsSync(file)) {
    if (expectedCheck !== null) {
      throw new RootKeyError(
        `the root key file ${file} is missing: put it back, or name its place in KEYHOLD_KEY_FILE`,
      );
    }
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeSecretFile(file, `${randomBytes(ROOT_KEY_BYTES).toString('base64')}\n`);
  }
  const mode = statSync(file).mode & 0o777;
  if ((mode & 0o077) !== 0) throw new RootKeyError(`the root key file ${file} is open to others: chmod 600 ${file}`);
  const bytes = Buffer.from(readFileSync(file, 'utf8').trim(), 'base64');
  if (bytes.length !== ROOT_KEY_BYTES)
    throw new RootKeyError(`the root key file ${file} does not hold a 256-bit key in base64`);
  const rootKey = rootKeyFrom(bytes);
  bytes.fill(0);
  if (expectedCheck !== null && rootKey.check !== expectedCheck) {
    throw new RootKeyError(
      `the root key file ${file} belongs to another installation: name the right one in KEYHOLD_KEY_FILE`,
    );
  }
  return rootKey;
}

function rootKeyFrom(bytes: Buffer): RootKey {
  const root = createSecretKey(bytes);
  const derive = (purpose: string): Buffer =>
    Buffer.from(hkdfSync('sha256', root, Buffer.alloc(0), `keyhold/v1/${purpose}`, ROOT_KEY_BYTES));
  return {
    derive: (purpose) => createSecretKey(derive(purpose)),
    check: createHash('sha256').update(derive('root-key-check')).digest('hex'),
  };
}
