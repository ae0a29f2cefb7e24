import assert from 'node:assert/strict';
import { it } from 'node:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SIGNATURE_TYPES } from '@keyhold/protocol/log/signed-note';
import { createPlace } from './testing/databases.ts';
import { downloadLog } from './testing/downloaded-log.ts';
import { entryWriters } from './testing/entry-writers-module.ts';
import { Load } from './testing/load.ts';
import { createMarket } from './testing/market.ts';
import { have } from './testing/missing-part.ts';
import { type ProcessInstallation, startProcessInstallation } from './testing/process-installation.ts';
import { PublishedBefore } from './testing/published-before.ts';
import { seededRandom } from './testing/seeded-random.ts';
import { everythingOf, flippedOf } from './testing/strangers/everything.ts';
import { buildGoJudge, haveGo } from './testing/strangers/go.ts';
import { ownJudge } from './testing/strangers/own.ts';
import { sigstoreJudge } from './testing/strangers/sigstore.ts';
import { accept, countsOf, refuse } from './testing/strangers/verdicts.ts';

const ENTRIES = 70_000;
const KILLS = 5;
const SEED = 11;
/** Where a byte is flipped, for whoever knows it. */
const PLACES = ['entry', 'tile', 'checkpoint', 'receipt', 'proof', ...placesOf('Ed25519')];
const OWN_PLACES = placesOf('ML-DSA-44');

it('strangers’ tools accept a log that was killed while it was written, and refuse it with one byte flipped', async (t) => {
  const isGoThere = have(t, 'go: Go’s own code for transparency logs', haveGo());
  const random = seededRandom(SEED);
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-strangers-'));
  await using _folder = { [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true }) };
  await using place = await createPlace('sqlite');
  const file = join(folder, 'acknowledged');
  await using installation = await startProcessInstallation(place, {
    imports: [entryWriters({ until: ENTRIES, file })],
  });
  const published = await writeAndKill(installation, random);
  assert.ok((await published.check(file)) >= ENTRIES);
  const log = await downloadLog(installation, join(folder, 'log'));
  const shown = await everythingOf(installation, log, published, random);
  const key = log.keys[0];
  assert.ok(key);
  assert.deepEqual(
    log.keys.map(({ type }) => type),
    [SIGNATURE_TYPES.ed25519, SIGNATURE_TYPES.mlDsa44],
  );
  // Nobody else knows ML-DSA-44; and sigstore's code no tiles.
  const judges = [
    ...(isGoThere
      ? [{ judge: buildGoJudge(folder)(log.verifierKeys[0] as string, log.folder), keys: [key], sees: PLACES }]
      : []),
    { judge: sigstoreJudge(key), keys: [key], sees: PLACES.filter((place) => place !== 'tile') },
    { judge: ownJudge(log.keys, log.folder), keys: log.keys, sees: [...PLACES, ...OWN_PLACES] },
  ];
  t.diagnostic(
    `seed ${SEED}: ${log.size} entries, ${KILLS} kills, ${published.checkpoints.size} checkpoints and ` +
      `${published.receipts.length} receipts seen while it was written`,
  );
  for (const { judge, keys, sees } of judges) {
    const accepted = await accept(judge, shown);
    const refused = await refuse(judge, flippedOf(log, shown, keys, random));
    const seen = Object.keys(refused).filter((where) => (refused[where] ?? 0) > 0);
    assert.deepEqual(seen.toSorted(), sees.toSorted(), `${judge.name} was shown a flipped byte in each place`);
    t.diagnostic(`${judge.name}: accepted ${countsOf(accepted)}; refused with a byte flipped ${countsOf(refused)}`);
  }
});

/** Writes a log through crashes; what it published meanwhile is remembered. */
async function writeAndKill(installation: ProcessInstallation, random: () => number): Promise<PublishedBefore> {
  const { consumer } = await createMarket(installation);
  await using load = new Load({ installation, consumer, seed: SEED, changers: 4, verifiers: 0 });
  const published = new PublishedBefore(installation);
  load.start();
  for (let kill = 1; kill <= KILLS; kill++) {
    const at = (ENTRIES / (KILLS + 1)) * (kill + random() * 0.5);
    await published.watch((size) => size >= at);
    await installation.control.kill();
    await installation.startControl();
  }
  await published.watch((size) => size >= ENTRIES);
  await load.stop();
  assert.deepEqual(load.model.violations, []);
  return published;
}

function placesOf(algorithm: string): string[] {
  return [`${algorithm} signature`, `${algorithm} signature in a receipt`];
}
