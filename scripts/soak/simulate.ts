import type { Found } from '@keyhold/server/testing/simulation/run-seeds';
import { SeedsWorker } from '@keyhold/server/testing/simulation/seeds-worker';

const SEEDS_PER_JOB = 500;
const LEAST_ACCEPTED = 0.99;

/** Simulates that many schedules on all cores, telling how far it is; true when nothing was violated. */
export async function simulate(schedules: number, workers: number): Promise<boolean> {
  const total: Found = { schedules: 0, changes: 0, verifications: 0, expected: 0, accepted: 0, violations: [] };
  let next = 1;
  const run = async () => {
    await using worker = new SeedsWorker();
    while (next <= schedules) {
      const from = next;
      next += SEEDS_PER_JOB;
      add(total, await worker.run({ from, count: Math.min(SEEDS_PER_JOB, schedules - from + 1) }));
      console.log(`${total.schedules} of ${schedules} schedules, ${total.violations.length} violations`);
    }
  };
  await Promise.all(Array.from({ length: workers }, run));
  const { changes, verifications, expected, accepted, violations } = total;
  console.log(`${total.schedules} schedules, ${changes} changes, ${verifications} verifications`);
  console.log(`${accepted} of ${expected} verifications of living keys outside faults were accepted`);
  for (const { seed, violation } of violations.slice(0, 20)) console.log(`seed ${seed}: ${violation.what}`);
  return violations.length === 0 && accepted / expected >= LEAST_ACCEPTED;
}

function add(total: Found, found: Found): void {
  total.schedules += found.schedules;
  total.changes += found.changes;
  total.verifications += found.verifications;
  total.expected += found.expected;
  total.accepted += found.accepted;
  total.violations.push(...found.violations);
}
