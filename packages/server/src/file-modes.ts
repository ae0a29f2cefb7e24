import { statSync } from 'node:fs';

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
  if (!isOpenTo(file, 0o077)) return;
  throw new LooseModes(`the ${what} ${file} is open to others: chmod 600 ${file}`);
}

/**
 * The same of a file that others made for us, which a group may read: so systems hand out certificates' keys and secrets.
 * @throws LooseModes naming the command that mends it
 */
export function refuseLooseHanded(what: string, file: string): void {
  if (!isOpenTo(file, 0o027)) return;
  throw new LooseModes(`the ${what} ${file} is open to others: chmod 640 ${file}`);
}

/** Devices and pipes have modes that say nothing of what is in them. */
function isOpenTo(file: string, others: number): boolean {
  const found = statSync(file, { throwIfNoEntry: false });
  return found?.isFile() === true && (found.mode & others) !== 0;
}
