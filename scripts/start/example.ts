import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Client, createClient, createVerifierClient } from '@keyhold/sdk/client';
import { KeyholdError } from '@keyhold/sdk/keyhold-error';
import { writeTokenFile } from './token-file.ts';
import { type RunningProcess, startProcess } from './process.ts';

export interface Planes {
  readonly url: string;
  readonly verifierUrl: string;
  readonly bootstrapTokenFile: string;
}

/** The running example and the demo key made for this start. */
export interface Example {
  readonly process: RunningProcess;
  readonly url: string;
  readonly keyId: string;
  readonly secret: string;
  /** Holds the token that manages the example's project. */
  readonly adminTokenFile: string;
}

const PROJECT = 'market';
const ENVIRONMENT = 'demo';
const CONSUMER = 'demo-bot';
const KEY_NAME = 'demo key of npm start';

/** What is set, or 7072. */
export function examplePortOf(env: NodeJS.ProcessEnv): string {
  return env['KEYHOLD_EXAMPLE_PORT'] || '7072';
}

/**
 * Sets the example up, once, gives out a fresh demo key in place of the last one, and starts it. Null where it was never
 * set up, and there is a first owner, who alone could make its project now.
 */
export async function startExample(planes: Planes, port: string): Promise<Example | null> {
  const adminTokenFile = join(dirname(planes.bootstrapTokenFile), 'example-admin-token');
  const client = (await openProject(planes, adminTokenFile)) ?? (await makeProject(planes, adminTokenFile));
  if (client === null) return null;
  const consumer = await demoConsumer(client);
  await revokeLastDemoKeys(client, consumer);
  const issued = await client.keys.issue({
    project: PROJECT,
    environment: ENVIRONMENT,
    consumer,
    name: KEY_NAME,
    permissions: ['prices:read', 'candles:read'],
    rateLimits: [{ name: 'minute', limit: 120, windowSeconds: 60 }],
  });
  const tokenFile = await exampleTokenFile(client, planes);
  const running = await startProcess(
    'examples/market-api/src/main.ts',
    [
      ...['--port', port],
      ...['--verifier', planes.verifierUrl],
      ...['--environment', `${PROJECT}/${ENVIRONMENT}`],
      ...['--token-file', tokenFile],
    ],
    process.env,
  );
  const { url } = running.started as { url: string };
  return { process: running, url, keyId: issued.key.id, secret: issued.secret as string, adminTokenFile };
}

/** With the token of an earlier start, which opens the example's project and nothing else. */
async function openProject({ url }: Planes, file: string): Promise<Client | null> {
  if (!existsSync(file)) return null;
  const client = createClient({ url, token: readFileSync(file, 'utf8').trim() });
  try {
    await client.environments.list({ slug: PROJECT });
    return client;
  } catch (error) {
    if (error instanceof KeyholdError && error.status < 500) return null;
    throw error;
  }
}

/** With the bootstrap token, while there is one. */
async function makeProject({ url, bootstrapTokenFile }: Planes, file: string): Promise<Client | null> {
  if (!existsSync(bootstrapTokenFile)) return null;
  const bootstrap = createClient({ url, token: readFileSync(bootstrapTokenFile, 'utf8').trim() });
  await unless('SLUG_TAKEN', bootstrap.projects.create({ slug: PROJECT, name: 'Market API (example)' }));
  await unless(
    'ENVIRONMENT_EXISTS',
    bootstrap.environments.create({ slug: PROJECT, name: ENVIRONMENT, prefix: 'market_demo', kind: 'development' }),
  );
  const scope = { scopes: ['admin' as const], projects: [PROJECT] };
  const { secret } = await bootstrap.tokens.create({ name: 'market-api example, its project', ...scope });
  writeTokenFile(file, secret as string);
  return createClient({ url, token: secret as string });
}

async function unless(code: string, call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof KeyholdError && error.code === code)) throw error;
  }
}

async function demoConsumer(client: Client): Promise<string> {
  const found = await client.consumers.list({ project: PROJECT, q: CONSUMER });
  const known = found.items.find(({ externalId }) => externalId === CONSUMER);
  if (known !== undefined) return known.id;
  return (await client.consumers.create({ project: PROJECT, name: 'Demo bot', externalId: CONSUMER })).id;
}

/** Secrets are shown once, so the key of the last start can't be shown again: it is replaced. */
async function revokeLastDemoKeys(client: Client, consumer: string): Promise<void> {
  const { items } = await client.keys.list({ project: PROJECT, consumer, state: 'active', q: KEY_NAME });
  for (const { id } of items) await client.keys.revoke({ id, reason: 'superseded' });
}

/** The example has a token of its own, which can ask for verdicts in its one environment and nothing else. */
async function exampleTokenFile(client: Client, { verifierUrl, bootstrapTokenFile }: Planes): Promise<string> {
  const file = join(dirname(bootstrapTokenFile), 'example-token');
  if (await opens(file, verifierUrl)) return file;
  const { secret } = await client.tokens.create({
    name: 'market-api example',
    scopes: ['verify'],
    environment: `${PROJECT}/${ENVIRONMENT}`,
  });
  writeTokenFile(file, secret as string);
  return file;
}

async function opens(file: string, verifierUrl: string): Promise<boolean> {
  try {
    const verifier = createVerifierClient({ url: verifierUrl, token: readFileSync(file, 'utf8').trim() });
    await verifier.verify({ key: 'none' });
    return true;
  } catch {
    return false;
  }
}
