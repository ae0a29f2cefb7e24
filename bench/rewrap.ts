// Envelopes re-wrapped per second of wall time after a rotation of an environment's keys, each batch an entry.
import { setTimeout as pause } from 'node:timers/promises';
import { startLoadSource } from './load/load-source.ts';
import { sized } from './measure/alternate.ts';
import { createMarket, createToken, startControlPlane } from './measure/control-plane.ts';
import { alone, publish } from './measure/figure.ts';
import { temporaryFolder } from './measure/place.ts';

const SECRETS = sized(10_000, 500);

using folder = temporaryFolder();
await using control = await startControlPlane(folder.path);
const { project, environment } = await createMarket(control);
const token = await createToken(control, 'admin');
await using source = await startLoadSource(folder.path);
await source.send({
  url: `${control.url}/v1/secrets`,
  token,
  bodies: Array.from({ length: SECRETS }, (_, i) =>
    JSON.stringify({ project, environment, path: `bench/${i}`, data: { value: i } }),
  ),
  connections: 64,
  count: SECRETS,
  expectStatus: 201,
  expectText: '"secret"',
});

interface Rotation {
  readonly pending: number;
}
const started = performance.now();
const before = await control.call<Rotation>('POST', '/v1/vault/keys/rotate', { project, environment });
if (before.pending !== SECRETS) throw new Error(`${before.pending} of ${SECRETS} are to be re-wrapped`);
for (let { pending } = before; pending > 0; ) {
  await pause(100);
  ({ pending } = await control.call<Rotation>(
    'GET',
    `/v1/vault/keys?project=${project}&environment=${environment}`,
    undefined,
  ));
}
publish(
  alone('rewrap', 'envelopes re-wrapped per second, wall time', SECRETS / ((performance.now() - started) / 1000)),
);
