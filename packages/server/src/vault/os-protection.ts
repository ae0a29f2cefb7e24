import { writeFileSync } from 'node:fs';

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
