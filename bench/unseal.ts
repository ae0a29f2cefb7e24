// Milliseconds of wall time from the passphrase to an open installation with 10,000 environments that have keys.
// Deriving the seal's key from the passphrase is made slow on purpose, so it is measured beside.
import { argon2Sync, randomBytes } from 'node:crypto';
import { startLoadSource } from './load/load-source.ts';
import { alternate, median, sized } from './measure/alternate.ts';
import { createToken, startControlPlane } from './measure/control-plane.ts';
import { compared, publish } from './measure/figure.ts';
import { temporaryFolder } from './measure/place.ts';

const ENVIRONMENTS = sized(10_000, 200);
const passphrase = randomBytes(16).toString('hex');

using folder = temporaryFolder();
await using control = await startControlPlane(folder.path);
const token = await createToken(control, 'admin');
await control.call('POST', '/v1/projects', { slug: 'bench', name: 'Bench' });
await using source = await startLoadSource(folder.path);
const load = (path: string, bodies: object[], expectText: string) =>
  source.send({
    url: `${control.url}${path}`,
    token,
    bodies: bodies.map((body) => JSON.stringify(body)),
    connections: 64,
    count: bodies.length,
    expectStatus: 201,
    expectText,
  });
const names = Array.from({ length: ENVIRONMENTS }, (_, i) => `e${i}`);
await load(
  '/v1/projects/bench/environments',
  names.map((name) => ({ name, prefix: `b_${name}` })),
  '"prefix"',
);
await load(
  '/v1/secrets',
  names.map((environment) => ({ project: 'bench', environment, path: 'a', data: { value: 1 } })),
  '"secret"',
);
await control.call('POST', '/v1/seal/change', { kind: 'passphrase', passphrase });

const sides = {
  unseal: async () => {
    await control.call('POST', '/v1/seal', {});
    const started = performance.now();
    await control.call('POST', '/v1/unseal', { passphrase });
    return performance.now() - started;
  },
  derive: async () => {
    const started = performance.now();
    // As `vault/passphrase-seal.ts` has it.
    argon2Sync('argon2id', {
      message: passphrase,
      nonce: randomBytes(16),
      parallelism: 4,
      tagLength: 32,
      memory: 65_536,
      passes: 3,
    });
    return performance.now() - started;
  },
};
const { unseal, derive } = await alternate(sides);
publish(compared('unseal', 'milliseconds to unseal, 10,000 environments', median(unseal), median(derive)));
