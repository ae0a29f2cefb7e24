import { KEY_BYTES, commitmentTo } from '@keyhold/verifier/open-envelope';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { FileParameters } from './seal.ts';
import { syncFolderOf, writeSecretFile } from './secret-file.ts';

/** The key file can't be used; says what to do. */
export class KeyFileError extends Error {
  override readonly name = 'KeyFileError';
}

/** The system doesn't let it be used: nobody knows what lies there. */
class KeyFileUnusable extends KeyFileError {}

/** What the system refuses is for whoever can mend it: with the file, and why. */
function touching<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (syscall === undefined) throw error;
    throw new KeyFileUnusable(`the root key file ${file} cannot be used (${code}, ${syscall})`);
  }
}

/** Where a new key waits until the seal that it belongs to is committed. */
const nextOf = (file: string) => `${file}.next`;

/**
 * Writes a new key beside the present one; {@link settleKeyFile} puts it in its place once it counts.
 * @throws KeyFileError when it can't be written
 */
export function writeKeyFile(file: string, keyBytes: Buffer): FileParameters {
  touching(nextOf(file), () => {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeSecretFile(nextOf(file), `${keyBytes.toString('base64')}\n`);
  });
  return { kind: 'file', check: commitmentTo(keyBytes).toString('hex') };
}

/**
 * The seal's key; the caller's to wipe.
 * @throws KeyFileError when it is missing, open to others, damaged or of another installation
 */
export function readKeyFile(file: string, { check }: FileParameters): Buffer {
  settleKeyFile(file, check);
  if (!existsSync(file)) {
    throw new KeyFileError(`the root key file ${file} is missing: put it back, or name its place in KEYHOLD_KEY_FILE`);
  }
  const bytes = readKeyBytes(file);
  if (commitmentTo(bytes).toString('hex') === check) return bytes;
  bytes.fill(0);
  throw new KeyFileError(
    `the root key file ${file} belongs to another installation: name the right one in KEYHOLD_KEY_FILE`,
  );
}

/** Puts a waiting key in its place when it is the one that counts; a crash may have come between. */
export function settleKeyFile(file: string, check: string): void {
  const next = nextOf(file);
  if (!existsSync(next)) return;
  const bytes = readKeyBytes(next);
  if (commitmentTo(bytes).toString('hex') === check) touching(file, () => renameSync(next, file));
  bytes.fill(0);
}

/**
 * The seal is another one: its key opens nothing any more. What is not its key stays: it may be another installation's.
 * On the disk when this returns.
 * @returns whether it was there
 */
export function removeKeyFile(file: string, seal: FileParameters): 'removed' | 'absent' {
  const isThere = existsSync(file) && isOwnOrFree(file, seal);
  if (isThere) rmSync(file);
  rmSync(nextOf(file), { force: true });
  if (isThere) syncFolderOf(file);
  return isThere ? 'removed' : 'absent';
}

/**
 * False when something lies there that is not the key of this seal: it is not to be written over or removed.
 * @throws KeyFileError when it can't be read
 */
export function isOwnOrFree(file: string, seal: FileParameters | null): boolean {
  if (!existsSync(file)) return true;
  try {
    // Whoever else can read it: what is open to others is to go all the more.
    const bytes = keyBytesIn(file);
    const own = commitmentTo(bytes).toString('hex') === seal?.check;
    bytes.fill(0);
    return own;
  } catch (error) {
    if (error instanceof KeyFileError && !(error instanceof KeyFileUnusable)) return false;
    throw error;
  }
}

/**
 * What lies in a key file, whosever it is; the caller's to wipe.
 * @throws KeyFileError when it can't be read, is open to others or damaged
 */
export function readKeyBytes(file: string): Buffer {
  const mode = touching(file, () => statSync(file).mode & 0o777);
  if ((mode & 0o077) !== 0) throw new KeyFileError(`the root key file ${file} is open to others: chmod 600 ${file}`);
  return keyBytesIn(file);
}

function keyBytesIn(file: string): Buffer {
  const text = touching(file, () => readFileSync(file, 'utf8'));
  const bytes = Buffer.from(text.trim(), 'base64');
  if (bytes.length !== KEY_BYTES)
    throw new KeyFileError(`the root key file ${file} does not hold a 256-bit key in base64`);
  return bytes;
}
