import { existsSync, statSync } from 'node:fs';

/** What the operating system leaves open; says what to do. */
export class LooseModes extends Error {
  override readonly name = 'LooseModes';
}

/**
 * Refuses a data folder that others on this machine can look into.
 * @throws LooseModes naming the command that mends it
 */
export function refuseLooseFolder(folder: string): void {
  if ((statSync(folder).mode & 0o077) === 0) return;
  throw new LooseModes(`the data folder ${folder} is open to others: chmod 700 ${folder}`);
}

/**
 * Refuses a file that is open to others; where there is none, there is nothing to refuse.
 * @throws LooseModes naming the command that mends it
 */
export function refuseLooseFile(what: string, file: string): void {
  if (!existsSync(file) || (statSync(file).mode & 0o077) === 0) return;
  throw new LooseModes(`the ${what} ${file} is open to others: chmod 600 ${file}`);
}

/**
 * The same of a key that a group may read: so systems keep the keys of certificates for those who serve with them.
 * @throws LooseModes naming the command that mends it
 */
export function refuseLooseTlsKey(file: string): void {
  if (!existsSync(file) || (statSync(file).mode & 0o027) === 0) return;
  throw new LooseModes(`the TLS key ${file} is open to others: chmod 640 ${file}`);
}
