import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { onEachDatabase, type TestPlace } from './testing/databases.ts';
import { DEATH_STAGES, type DeathStage, dieAt } from './testing/die-at-module.ts';
import { entryWriters } from './testing/entry-writers-module.ts';
import { eventually } from './testing/eventually.ts';
import { type ProcessInstallation, startProcessInstallation } from './testing/process-installation.ts';
import { StartFailed } from './testing/processes.ts';
import { PublishedBefore } from './testing/published-before.ts';
import { seededRandom } from './testing/seeded-random.ts';

/** `npm run soak -- log-crash` kills 300 times on each database. */
const KILLS = Number(process.env['KEYHOLD_LOG_KILLS'] ?? 7);
/** Undefined: from outside, at any moment. */
const ROUND: readonly (DeathStage | undefined)[] = [undefined, ...DEATH_STAGES, undefined];
const SEED = Number(process.env['KEYHOLD_CRASH_SEED'] ?? 1);
/** So many changes at a time, so that a group is large and the log does not grow too fast. */
const WRITERS = 16;
/** The kill from outside comes after that long at most. */
const LONGEST_DELAY_MS = 400;
const LONGEST_WAIT_MS = 10_000;
const READS_ALL_EVERY = 50;
/** Of the times that a stage is reached; the first few are in the start. */
const MOST_TIMES = 60;
/** Kills enough for each stage to be reached, though some of the times that it is drawn it is not. */
const ENOUGH_KILLS = 10 * ROUND.length;

onEachDatabase('a log whose process is killed with -9 in every stage', (createPlace) => {
  it('loses no acknowledged entry, uses no index twice, and has the root that its entries make', async (t) => {
    await using place = await createPlace();
    const random = seededRandom(SEED);
    const run = new KilledRun(place);
    await using installation = await startProcessInstallation(place, run.options);
    await using _file = { [Symbol.asyncDispose]: async () => rmSync(run.file, { force: true }) };
    const published = new PublishedBefore(installation);
    let entries = 0;
    await installation.control.kill();
    for (let kill = 0; kill < KILLS; kill++) {
      const stage = ROUND[kill % ROUND.length];
      await run.until(installation, published, stage, random);
      await run.startWell(installation);
      // Each kill looks at what is new, every fiftieth and the last at all of it: 300 would read it all 300 times.
      const last = kill === KILLS - 1;
      entries = await published.check(run.file, last || kill % READS_ALL_EVERY === 0 ? 'all' : 'new');
      const { body } = await installation.call('GET', '/v1/installation');
      assert.deepEqual(body.alarms, []);
      await installation.control.kill();
    }
    const reached = DEATH_STAGES.filter((stage) => run.reached.has(stage));
    if (KILLS >= ENOUGH_KILLS) assert.deepEqual(reached, DEATH_STAGES, 'it died by its own hand in each stage');
    t.diagnostic(
      `seed ${SEED}: ${KILLS} kills (${run.counts()}), then as many more when it was looked at; ${entries} entries, ` +
        `${published.checkpoints.size} checkpoints and ${published.receipts.length} receipts seen and held to, ` +
        `${published.consistencies} consistency proofs`,
    );
  });
});

/** Starts a control plane that writes entries and dies. */
class KilledRun {
  readonly file: string;
  readonly options: { readonly imports: readonly string[] };
  /** Stages at which it died by its own hand. */
  readonly reached = new Set<DeathStage>();
  readonly #counts = new Map<string, number>();
  #imports: readonly string[] = [];

  constructor({ folder }: TestPlace) {
    this.file = `${folder}.acknowledged`;
    const imports = () => this.#imports;
    // Looked at anew at each start.
    this.options = {
      get imports() {
        return imports();
      },
    };
  }

  async until(
    installation: ProcessInstallation,
    published: PublishedBefore,
    stage: DeathStage | undefined,
    random: () => number,
  ): Promise<void> {
    const writers = entryWriters({ until: Number.MAX_SAFE_INTEGER, file: this.file, writers: WRITERS });
    const after = 1 + Math.floor(random() * MOST_TIMES);
    this.#imports = [writers, ...(stage === undefined ? [] : [dieAt(stage, after)])];
    try {
      await installation.startControl();
    } catch (error) {
      // Who is killed has no exit code.
      if (!(error instanceof StartFailed) || error.exitCode !== null || stage === undefined) throw error;
      this.reached.add(stage);
      return this.#count(`${stage} in the start`);
    }
    const watching = published.watch(() => false);
    // The first change makes the writers begin.
    await installation.call('POST', '/v1/tokens', { name: 'begin', scopes: ['read'] }).catch(() => {});
    if (stage === undefined) {
      await pause(random() * LONGEST_DELAY_MS);
      await installation.control.kill();
    }
    // What comes once a second may not come often enough while somebody waits: then the kill is from outside after all.
    const from = performance.now();
    let waitedInVain = false;
    await eventually('it is dead', async () => {
      if (performance.now() - from > LONGEST_WAIT_MS && installation.control.running) {
        waitedInVain = true;
        await installation.control.kill();
      }
      return !installation.control.running;
    });
    await watching;
    if (stage !== undefined && !waitedInVain) this.reached.add(stage);
    this.#count(waitedInVain ? `from outside as ${stage} was not reached` : (stage ?? 'from outside'));
  }

  async startWell(installation: ProcessInstallation): Promise<void> {
    this.#imports = [];
    await installation.startControl();
  }

  counts(): string {
    return [...this.#counts].map(([name, count]) => `${name} ${count}`).join(', ');
  }

  #count(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }
}
