import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { checkAcknowledged, checkVerdicts } from './acknowledged.ts';
import type { TestPlace } from './databases.ts';
import { eventually } from './eventually.ts';
import { Load } from './load.ts';
import { createMarket } from './market.ts';
import { type ProcessInstallation, startProcessInstallation } from './process-installation.ts';

/** Longer than any fault here: how verifiers do without a control plane after their lease is tested elsewhere. */
const LEASE_SECONDS = 300;
const CALLS_BEFORE = 40;
const REFUSALS = 20;
const VERDICTS = 20;
const CHANGES_AFTER = 40;

/**
 * A load on an installation whose store fails and comes back. Meanwhile changes are refused as DESIGN §5 says and
 * verifications go on; afterwards changes go on in the same process, and nothing acknowledged is missing.
 * @param begin makes the fault; disposing of what it returns ends it
 */
export async function surviveFault(
  t: TestContext,
  place: TestPlace,
  begin: (installation: ProcessInstallation) => Promise<AsyncDisposable>,
): Promise<void> {
  await using installation = await startProcessInstallation(place);
  const { consumer } = await createMarket(installation, { leaseSeconds: LEASE_SECONDS });
  await installation.startVerifier();
  await using load = new Load({ installation, consumer, seed: 7, changers: 4, verifiers: 1 });
  const { counts } = load.model;
  const { pid } = installation.control;
  const until = (what: string, look: () => boolean) =>
    eventually(what, async () => {
      assert.ok(installation.control.running, `the control plane ended by itself: ${installation.control.output()}`);
      return look();
    });
  load.start();
  await load.untilSent(CALLS_BEFORE);
  {
    await using _fault = await begin(installation);
    await until('changes are refused', () => counts.refused >= REFUSALS);
    const { accepted } = counts;
    await until('verifications go on', () => counts.accepted >= accepted + VERDICTS);
  }
  const { acknowledged, refused } = counts;
  await until('changes go on', () => counts.acknowledged >= acknowledged + CHANGES_AFTER);
  await load.stop();
  assert.equal(installation.control.pid, pid);
  assert.equal(counts.unanswered, 0, 'a call was not answered at all');
  const entries = await checkAcknowledged(installation, load.model);
  await checkVerdicts(installation, load.model);
  // What a cache could still hide comes out after a restart.
  await installation.control.kill();
  await installation.startControl();
  await checkAcknowledged(installation, load.model, entries);
  t.diagnostic(`${counts.acknowledged} acknowledged, ${refused} refused, ${counts.verified} verifications`);
}
