import type { Bug } from './bugs.ts';
import { MemoryDisk } from './memory-store.ts';
import type { Violation } from './oracle.ts';
import { World } from './world.ts';

/** What a run of many schedules found. */
export interface Found {
  schedules: number;
  changes: number;
  verifications: number;
  expected: number;
  accepted: number;
  violations: { readonly seed: number; readonly violation: Violation }[];
}

/** Runs schedules with these seeds; `stopAtFirst` ends at the first violation. */
export async function runSeeds(from: number, count: number, bug: Bug = {}, stopAtFirst = false): Promise<Found> {
  const disk = await MemoryDisk.create();
  const found: Found = { schedules: 0, changes: 0, verifications: 0, expected: 0, accepted: 0, violations: [] };
  for (let seed = from; seed < from + count; seed++) {
    const { oracle, changes, verifications } = await new World(seed, disk, bug).run();
    found.schedules++;
    found.changes += changes;
    found.verifications += verifications;
    found.expected += oracle.expected;
    found.accepted += oracle.accepted;
    found.violations.push(...oracle.violations.map((violation) => ({ seed, violation })));
    if (stopAtFirst && oracle.violations.length > 0) break;
  }
  return found;
}
