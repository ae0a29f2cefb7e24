import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Child, startChild } from './child.ts';

/** The shipped control plane in a process of its own, with its data in `folder`. */
export interface ControlPlane extends AsyncDisposable {
  readonly process: Child<unknown>;
  readonly url: string;
  /** Of the beginning: it ends with the first owner. */
  readonly adminToken: string;
  readonly databaseFile: string;
  /** @throws Error when it is refused */
  call<T>(method: string, path: string, body: unknown): Promise<T>;
}

export const SERVER = '../packages/server/src/main.ts';

export async function startControlPlane(folder: string, preload: readonly string[] = []): Promise<ControlPlane> {
  const data = join(folder, 'data');
  const child = await startChild<{ url: string; bootstrapTokenFile: string }>({
    script: SERVER,
    args: ['serve', '--no-verifier'],
    env: {
      KEYHOLD_DATA: data,
      KEYHOLD_PORT: '0',
      KEYHOLD_KEY_FILE: join(folder, 'root.key'),
      KEYHOLD_DATABASE_URL: '',
    },
    preload,
    logFolder: folder,
  });
  const { url, bootstrapTokenFile } = child.started;
  const adminToken = readFileSync(bootstrapTokenFile, 'utf8').trim();
  return {
    process: child,
    url,
    adminToken,
    databaseFile: join(data, 'keyhold.db'),
    call: (method, path, body) => call(new URL(path, url), method, adminToken, body),
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}

async function call<T>(url: URL, method: string, token: string, body: unknown): Promise<T> {
  const response = await fetch(url, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${url.pathname} answered ${response.status}: ${text}`);
  return JSON.parse(text) as T;
}

/** One of its tokens with the scope; tokens of services are what production calls come with. */
export async function createToken({ call }: ControlPlane, scope: string): Promise<string> {
  return (await call<{ secret: string }>('POST', '/v1/tokens', { name: scope, scopes: [scope] })).secret;
}

/** A project with one environment and one consumer; returns what a key needs beside its own settings. */
export async function createMarket({ call }: ControlPlane) {
  await call('POST', '/v1/projects', { slug: 'bench', name: 'Bench' });
  await call('POST', '/v1/projects/bench/environments', { name: 'live', prefix: 'bench' });
  const consumer = await call<{ id: string }>('POST', '/v1/consumers', { project: 'bench', name: 'bot' });
  return {
    project: 'bench',
    environment: 'live',
    consumer: consumer.id,
    name: 'key',
    permissions: ['prices:read', 'orders:write'],
    allowedNetworks: ['10.1.2.0/24'],
    rateLimits: [{ name: 'requests', limit: 1_000_000_000, windowSeconds: 60 }],
  };
}
