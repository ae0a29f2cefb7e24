// Keys shown per CPU-second of the control plane to a person who signed in, by his cookie, over HTTP; against the same
// answers to the holder of a token.
import { enrolOwner } from '@keyhold/server/testing/person';
import type { Load } from './load/generate-load.ts';
import { startLoadSource } from './load/load-source.ts';
import { alternate, median, sized } from './measure/alternate.ts';
import { createMarket, createToken, startControlPlane } from './measure/control-plane.ts';
import { compared, publish } from './measure/figure.ts';
import { temporaryFolder } from './measure/place.ts';

const CLIENTS = 64;
const READS = sized(64 * 100, 64 * 10);

using folder = temporaryFolder();
await using control = await startControlPlane(folder.path);
const key = await createMarket(control);
const issued = await control.call<{ key: { id: string } }>('POST', '/v1/keys', key);
const token = await createToken(control, 'read');
const owner = await enrolOwner({ controlUrl: control.url, bootstrapToken: control.adminToken });
await using source = await startLoadSource(folder.path);

const load: Load = {
  url: `${control.url}/v1/keys/${issued.key.id}`,
  token,
  bodies: [],
  connections: CLIENTS,
  count: READS,
  expectStatus: 200,
  expectText: '"permissions"',
};
const cookie = `__Host-keyhold-session=${owner.session}`;
const sides = {
  person: () => source.perCpuSecond(control.process, { ...load, cookie }),
  token: () => source.perCpuSecond(control.process, load),
};
for (const warmUp of [...Object.values(sides), ...Object.values(sides)]) await warmUp();
const { person, token: bare } = await alternate(sides);
publish(compared('signed-in', 'keys shown per CPU-second', median(person), median(bare)));
