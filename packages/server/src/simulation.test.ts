import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { BUGS } from './testing/simulation/bugs.ts';
import { CHANGES } from './testing/simulation/world.ts';
import { SeedsWorker } from './testing/simulation/seeds-worker.ts';

/** Schedules of one run; `npm run soak` runs 100,000. */
const SCHEDULES = Number(process.env['KEYHOLD_SIMULATIONS'] ?? 200);
const FIRST_SEED = Number(process.env['KEYHOLD_SIMULATION_SEED'] ?? 1);
/** Schedules within which every planted bug has to be found; the rarest shows itself in one of three hundred. */
const SCHEDULES_PER_BUG = 2_000;
const LEAST_ACCEPTED = 0.99;

describe('the feed under faults, simulated', () => {
  const worker = new SeedsWorker();
  after(() => worker[Symbol.asyncDispose]());

  it('accepts nothing that was taken away, and what was given at least 99 % of the time outside faults', async (t) => {
    const found = await worker.run({ from: FIRST_SEED, count: SCHEDULES });
    const { schedules, changes, verifications, expected, accepted } = found;
    t.diagnostic(`${schedules} schedules from seed ${FIRST_SEED}, ${changes} changes, ${verifications} verifications`);
    t.diagnostic(`${accepted} of ${expected} verifications of living keys outside faults were accepted`);
    assert.deepEqual(found.violations, []);
    assert.equal(changes, schedules * CHANGES, 'all changes were made');
    assert.equal(expected > schedules, true, 'living keys were asked for');
    assert.equal(accepted / expected >= LEAST_ACCEPTED, true, `${accepted} of ${expected} accepted`);
  });

  for (const bug of Object.keys(BUGS)) {
    it(`finds the planted bug: ${bug}`, async (t) => {
      const seeds = { from: 1, count: SCHEDULES_PER_BUG, bug, stopAtFirst: true };
      const { schedules, violations } = await worker.run(seeds);
      assert.notEqual(violations.length, 0, `not found in ${SCHEDULES_PER_BUG} schedules`);
      t.diagnostic(`found after ${schedules} schedules: ${violations[0]?.violation.what}`);
    });
  }
});
