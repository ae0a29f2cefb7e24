// Secrets of 1 KB revealed per CPU-second of the control plane, 64 clients over HTTP, each after its entry is durable;
// against the same server answering a constant of that size after one entry of the same ledger.
import type { Load } from './load/generate-load.ts';
import { startLoadSource } from './load/load-source.ts';
import { alternate, median, sized } from './measure/alternate.ts';
import { startChild } from './measure/child.ts';
import { createMarket, createToken, startControlPlane } from './measure/control-plane.ts';
import { compared, publish } from './measure/figure.ts';
import { temporaryFolder } from './measure/place.ts';

const CLIENTS = 64;
const READS = sized(64 * 60, 64 * 10);

using folder = temporaryFolder();
await using control = await startControlPlane(folder.path);
const { project, environment } = await createMarket(control);
const token = await createToken(control, 'admin');
const stored = await control.call<{ secret: { id: string } }>('POST', '/v1/secrets', {
  project,
  environment,
  path: 'exchanges/bench',
  data: { apiKey: 'x'.repeat(1_000) },
});
const path = `/v1/secrets/${stored.secret.id}/reveal`;
const answer = JSON.stringify(await control.call('POST', path, {}));
await using constant = await startChild<{ url: string }>({
  script: 'http/commit-server.ts',
  args: [folder.path, answer],
  logFolder: folder.path,
});
await using source = await startLoadSource(folder.path);

const loadOf = (url: string): Load => ({
  url: `${url}${path}`,
  token,
  bodies: ['{}'],
  connections: CLIENTS,
  count: READS,
  expectStatus: 200,
  expectText: '"apiKey"',
});
const sides = {
  reveal: () => source.perCpuSecond(control.process, loadOf(control.url)),
  constant: () => source.perCpuSecond(constant, loadOf(constant.started.url)),
};
for (const warmUp of [...Object.values(sides), ...Object.values(sides)]) await warmUp();
const { reveal, constant: bare } = await alternate(sides);
publish(compared('kv-read', 'secrets revealed per CPU-second', median(reveal), median(bare)));
