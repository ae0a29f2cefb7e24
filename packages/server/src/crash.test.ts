import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { Entry } from '@keyhold/protocol/operations/audit';
import { checkAcknowledged, checkVerdicts } from './testing/acknowledged.ts';
import { onEachDatabase } from './testing/databases.ts';
import { untilReady } from './testing/installation.ts';
import { Load } from './testing/load.ts';
import { createMarket } from './testing/market.ts';
import { controlProcess, type ProcessInstallation, startProcessInstallation } from './testing/process-installation.ts';
import { freePort, type StartFailed, startProcess } from './testing/processes.ts';
import { seededRandom } from './testing/seeded-random.ts';

/** `npm run soak` runs 50 rounds on each database. */
const ROUNDS = Number(process.env['KEYHOLD_CRASH_ROUNDS'] ?? 4);
const SEED = Number(process.env['KEYHOLD_CRASH_SEED'] ?? 1);
/** Short leases: after a restart each taking-away waits for those of the dead. */
const LEASE_SECONDS = 1;
/** The kill comes after that many calls at most, and that long after the last of them at most. */
const CALLS_BEFORE_KILL = 120;
const LONGEST_DELAY_MS = 15;

onEachDatabase('kill -9 under load', (createPlace) => {
  it('loses nothing that was acknowledged and accepts nothing that was taken away', async (t) => {
    await using place = await createPlace();
    await using installation = await startProcessInstallation(place);
    const { consumer } = await createMarket(installation, { leaseSeconds: LEASE_SECONDS });
    await installation.startVerifier();
    await using load = new Load({ installation, consumer, seed: SEED, changers: 6, verifiers: 2 });
    const random = seededRandom(SEED + 1);
    let entries: Entry[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      load.start();
      await load.untilSent(20 + Math.floor(random() * CALLS_BEFORE_KILL));
      await pause(random() * LONGEST_DELAY_MS);
      await killSome(installation, random());
      await untilReady(installation.verifierUrl);
      // The load goes on across the restart: calls that failed are repeated against the new process.
      await load.untilSent(30);
      await load.stop();
      entries = await checkAcknowledged(installation, load.model, entries);
      await checkVerdicts(installation, load.model);
    }
    const { acknowledged, unanswered, verified, accepted, acceptedNever } = load.model.counts;
    assert.ok(accepted > 0 && acceptedNever > 0, 'the load never met a living and a dead key');
    t.diagnostic(
      `seed ${SEED}: ${ROUNDS} rounds, ${acknowledged} acknowledged changes, ${unanswered} unanswered, ` +
        `${entries.length} entries, ${verified} verifications, ${acceptedNever} of them of what was taken away`,
    );
  });

  it('refuses to start a second control plane on the same data, and says why', async () => {
    await using place = await createPlace();
    await using _installation = await startProcessInstallation(place);
    await assert.rejects(startProcess(controlProcess(place, await freePort())), (error: StartFailed) => {
      assert.equal(error.name, 'StartFailed');
      assert.equal(error.exitCode, 2);
      assert.match(error.output, /^keyhold: another Keyhold runs on this .*: stop it first$/m);
      return true;
    });
  });
});

/** Kills the control plane, the verifier or both, and starts them again. */
async function killSome(installation: ProcessInstallation, chance: number): Promise<void> {
  const [control, verifier] = [chance < 0.75, chance > 0.6];
  await Promise.all([
    control ? installation.control.kill() : undefined,
    verifier ? installation.verifier.kill() : undefined,
  ]);
  await Promise.all([
    control ? installation.startControl() : undefined,
    verifier ? installation.startVerifier() : undefined,
  ]);
}
