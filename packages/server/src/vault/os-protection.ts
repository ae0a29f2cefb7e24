import { statSync, writeFileSync } from 'node:fs';

/** What the operating system leaves open; says what to do. */
export class LooseModes extends Error {
  override readonly name = 'LooseModes';
}

/**
 * Refuses a data folder that others on this machine can look into; what lies in a closed one is closed too.
 * @throws LooseModes naming the command that mends it
 */
export function refuseLooseFolder(folder: string): void {
  if ((statSync(folder).mode & 0o077) === 0) return;
  throw new LooseModes(`the data folder ${folder} is open to others: chmod 700 ${folder}`);
}

const COREDUMP_FILTER = '/proc/self/coredump_filter';

/**
 * Leaves memory out of core dumps (core(5), "Controlling which mappings are written"): keys are in it while unsealed.
 * @returns false where the system has no such switch, or does not let us
 */
export function leaveMemoryOutOfCoreDumps(): boolean {
  try {
    writeFileSync(COREDUMP_FILTER, '0x0');
    return true;
  } catch {
    return false;
  }
}
