// Keys issued per CPU-second of the control plane, 64 clients over HTTP, each acknowledged when it is durable; against
// the same SQL statements in batches of 64, a transaction each, with no HTTP around them.
import { join } from 'node:path';
import type { Load } from './load/generate-load.ts';
import { startLoadSource } from './load/load-source.ts';
import { alternate, median, ownCpuSeconds, sized } from './measure/alternate.ts';
import { createMarket, createToken, startControlPlane } from './measure/control-plane.ts';
import { compared, publish } from './measure/figure.ts';
import { temporaryFolder } from './measure/place.ts';
import { batchOf } from './sql/batch.ts';
import { copyDatabase, Replay } from './sql/replay.ts';
import { cutIntoCalls, type Executed } from './sql/trace.ts';

const CLIENTS = 64;
const BATCHES = sized(40, 10);
const ISSUES = CLIENTS * BATCHES;

using folder = temporaryFolder();
const original = join(folder.path, 'original.db');
await using source = await startLoadSource(folder.path);
const prepared = await prepare();
const batches = Array.from({ length: BATCHES }, (_, i) =>
  batchOf(prepared.calls.slice(i * CLIENTS, (i + 1) * CLIENTS)),
);

await using control = await startControlPlane(folder.path);
const issues = loadOf(control.url, CLIENTS);
const sides = { issue: () => source.perCpuSecond(control.process, issues), statements: replayed };
// Twice: a control plane's code is large, and runs slower until all of it is compiled.
for (const warmUp of [...Object.values(sides), ...Object.values(sides)]) await warmUp();
const { issue, statements } = await alternate(sides);
publish(
  compared('issue-durable', 'keys issued per CPU-second', median(issue), median(statements), [
    `${prepared.calls[0]?.inside.length} statements in the transaction of an issue, ${prepared.calls[0]?.outside.length} reads before it`,
  ]),
);

/** Makes the installation, and records what `ISSUES` issues execute when they come one after another. */
async function prepare() {
  let token: string;
  let settings: unknown;
  {
    await using first = await startControlPlane(folder.path);
    settings = await createMarket(first);
    token = await createToken(first, 'keys');
    // One call before, so that what only the first use of a token writes is no part of an issue.
    await source.send({ ...loadWith(first.url, token, settings, 1), count: 1 });
  }
  copyDatabase(join(folder.path, 'data', 'keyhold.db'), original);
  await using recording = await startControlPlane(folder.path, ['sql/record-statements.ts']);
  await source.send({ ...loadWith(recording.url, token, settings, 1), count: 1 });
  await recording.process.ask({ ask: 'record' });
  await source.send(loadWith(recording.url, token, settings, 1));
  const trace = await recording.process.ask<Executed[]>({ ask: 'recorded' });
  return { token, settings, calls: cutIntoCalls(trace, ISSUES) };
}

function loadOf(url: string, connections: number): Load {
  return loadWith(url, prepared.token, prepared.settings, connections);
}

function loadWith(url: string, token: string, settings: unknown, connections: number): Load {
  const bodies = [JSON.stringify(settings)];
  return {
    url: `${url}/v1/keys`,
    token,
    bodies,
    connections,
    count: ISSUES,
    expectStatus: 201,
    expectText: '"secret"',
  };
}

async function replayed(): Promise<number> {
  using replay = new Replay(original, join(folder.path, 'replay.db'));
  replay.prepare(batches);
  const before = ownCpuSeconds();
  for (const batch of batches) replay.run(batch);
  return ISSUES / (ownCpuSeconds() - before);
}
