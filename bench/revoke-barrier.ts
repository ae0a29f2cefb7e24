// How long a revoke takes until it is dead in 100 verifiers (p99, wall time), against one durable commit and an empty
// fan-out to as many sockets of the same processes.
import { Agent } from 'node:http';
import { join } from 'node:path';
import type { YardstickRound } from './barrier/yardstick.ts';
import { post } from './load/post.ts';
import { alternate, percentile, sized } from './measure/alternate.ts';
import { startChild } from './measure/child.ts';
import { type ControlPlane, createMarket, createToken, startControlPlane } from './measure/control-plane.ts';
import { compared, publish } from './measure/figure.ts';
import { temporaryFolder } from './measure/place.ts';
import { copyDatabase } from './sql/replay.ts';
import { cutIntoCalls, type Executed } from './sql/trace.ts';

const VERIFIERS = sized(100, 20);
const PROCESSES = 2;
/** Seven alternations of this many are more than a thousand. */
const REVOKES = sized(150, 40);
const UNCOUNTED = 20;
const ROUNDS = sized(8, 4);

using folder = temporaryFolder();
const original = join(folder.path, 'original.db');
const agent = new Agent({ keepAlive: true });
const { token, keys, calls } = await prepare();

await using yardstick = await startChild<{ url: string }>({ script: 'barrier/yardstick.ts', logFolder: folder.path });
await using control = await startControlPlane(folder.path);
const feedToken = await createToken(control, 'feed');
const follow = (count: number) => {
  const args = [control.url, feedToken, yardstick.started.url, String(count)];
  return startChild({ script: 'barrier/followers.ts', args, logFolder: folder.path });
};
await using stack = new AsyncDisposableStack();
for (let i = 0; i < PROCESSES; i++) stack.use(await follow(VERIFIERS / PROCESSES));

const round: YardstickRound = {
  original,
  copy: join(folder.path, 'replay.db'),
  calls,
  uncounted: UNCOUNTED,
  sockets: VERIFIERS,
};
const sides = {
  revoke: () => revokeSome(control, REVOKES),
  yardstick: () => yardstick.ask<number[]>({ ask: 'round', ...round }),
};
for (const warmUp of Object.values(sides)) await warmUp();
const { revoke, yardstick: commit } = await alternate(sides);
const [revokes, commits] = [revoke.flat(), commit.flat()];
publish(
  compared('revoke-barrier', 'ms, p99', percentile(revokes, 0.99), percentile(commits, 0.99), [
    `p50 ${percentile(revokes, 0.5).toFixed(2)} against ${percentile(commits, 0.5).toFixed(2)} ms; ${revokes.length} revokes, ${VERIFIERS} verifiers`,
  ]),
);

/** Issues keys, and records what revoking some of them executes. */
async function prepare() {
  await using recording = await startControlPlane(folder.path, ['sql/record-statements.ts']);
  const settings = await createMarket(recording);
  const admin = await createToken(recording, 'keys');
  const ids: string[] = [];
  const issue = async () => {
    const { key } = await recording.call<{ key: { id: string } }>('POST', '/v1/keys', settings);
    ids.push(key.id);
  };
  const counted = UNCOUNTED + REVOKES;
  for (let i = 0; i < REVOKES * ROUNDS + counted + 1; i += 50) await Promise.all(Array.from({ length: 50 }, issue));
  await revokeOne(recording, admin, ids.pop() as string, '"acknowledged":0');
  copyDatabase(recording.databaseFile, original);
  await recording.process.ask({ ask: 'record' });
  for (const id of ids.splice(0, counted)) await revokeOne(recording, admin, id, '"acknowledged":0');
  const trace = await recording.process.ask<Executed[]>({ ask: 'recorded' });
  return { token: admin, keys: ids, calls: cutIntoCalls(trace, counted) };
}

/** Milliseconds of each revoke, one after another, as its caller sees them. */
async function revokeSome(plane: ControlPlane, count: number): Promise<number[]> {
  const elapsed: number[] = [];
  for (const id of keys.splice(0, count)) {
    const before = performance.now();
    await revokeOne(plane, token, id, `"acknowledged":${VERIFIERS}`);
    elapsed.push(performance.now() - before);
  }
  if (elapsed.length !== count) throw new Error('no keys are left to revoke');
  return elapsed;
}

function revokeOne({ url }: ControlPlane, by: string, id: string, expectText: string): Promise<void> {
  const body = JSON.stringify({ reason: 'superseded' });
  return post(agent, { url: `${url}/v1/keys/${id}/revoke`, token: by, body, expectStatus: 200, expectText });
}
