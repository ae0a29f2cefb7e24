// Verifications per CPU-second of the verifier process, against the same HTTP around a constant verdict.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Load } from './load/generate-load.ts';
import { startLoadSource } from './load/load-source.ts';
import { alternate, median, sized } from './measure/alternate.ts';
import { startChild } from './measure/child.ts';
import { createMarket, createToken, SERVER, startControlPlane } from './measure/control-plane.ts';
import { compared, publish } from './measure/figure.ts';
import { temporaryFolder } from './measure/place.ts';

const CONNECTIONS = 32;
const KEYS = sized(500, 50);
const REQUESTS = sized(12_000, 3_000);

using folder = temporaryFolder();
await using control = await startControlPlane(folder.path);
const settings = await createMarket(control);
const token = await createToken(control, 'verify');
const tokenFile = join(folder.path, 'feed-token');
writeFileSync(tokenFile, await createToken(control, 'feed'), { mode: 0o600 });

const bodies: string[] = [];
for (let i = 0; i < KEYS; i++) {
  const { secret } = await control.call<{ secret: string }>('POST', '/v1/keys', settings);
  const asked = { key: secret, environment: 'bench/live', permission: 'orders:write', clientIp: '10.1.2.3' };
  bodies.push(JSON.stringify(asked));
}

const start = <T>(script: string, ...args: string[]) =>
  startChild<T>({ script, args, env: { KEYHOLD_VERIFIER_PORT: '0' }, logFolder: folder.path });
const verifierArguments = ['verifier', '--control', control.url, '--token-file', tokenFile];
await using verifier = await start<{ url: string }>(SERVER, ...verifierArguments);
await untilReady(verifier.started.url);
const verdict = await oneVerdict(verifier.started.url);
await using constant = await start<{ url: string }>('http/constant-server.ts', 'fastify', verdict);
await using bare = await start<{ url: string }>('http/constant-server.ts', 'bare', verdict);
await using source = await startLoadSource(folder.path);

const measure = async (target: typeof verifier) => {
  const url = `${target.started.url}/v1/verify`;
  const load: Load = {
    url,
    token,
    bodies,
    connections: CONNECTIONS,
    count: REQUESTS,
    expectStatus: 200,
    expectText: '"VALID"',
  };
  return await source.perCpuSecond(target, load);
};
const sides = { verifier: () => measure(verifier), constant: () => measure(constant), bare: () => measure(bare) };
for (const warmUp of Object.values(sides)) await warmUp();
const rates = await alternate(sides);
publish(
  compared('verify-http', 'verifications per CPU-second', median(rates.verifier), median(rates.constant), [
    `bare node:http: ${Math.round(median(rates.bare)).toLocaleString('en')}`,
  ]),
);

/** There is no event for it across processes; the verifier says so only when asked. */
async function untilReady(url: string): Promise<void> {
  for (let i = 0; i < 1_000; i++) {
    if ((await fetch(`${url}/health/ready`)).ok) return;
    await pause(10);
  }
  throw new Error('the verifier did not become ready');
}

async function oneVerdict(url: string): Promise<string> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const response = await fetch(`${url}/v1/verify`, { method: 'POST', headers, body: bodies[0] as string });
  const text = await response.text();
  if (!text.includes('"VALID"')) throw new Error(`the verifier answered ${text}`);
  return text;
}
