import { existsSync, readFileSync } from 'node:fs';
import type { Verdict } from '@keyhold/protocol/verdict';
import { startControlPlane } from '../app.ts';
import type { Config } from '../config.ts';
import { createLog } from '../http/log.ts';
import { startVerifierProcess } from '../verification/verifier-process.ts';
import type { TestPlace } from './databases.ts';

/** An answer of either plane. */
export interface TestAnswer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly body: any;
  readonly headers: Headers;
}

/** A whole installation in this process: control plane and one verifier, over real HTTP and a real feed. */
export interface TestInstallation extends AsyncDisposable {
  readonly controlUrl: string;
  readonly verifierUrl: string;
  /** Vault's wire API. */
  readonly vaultUrl: string;
  readonly bootstrapToken: string;
  readonly verifierTokenFile: string;
  readonly config: Config;
  call(method: string, path: string, body?: unknown, options?: CallOptions): Promise<TestAnswer>;
  verify(body: unknown, token?: string): Promise<Verdict>;
}

export interface CallOptions {
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Configuration on free ports of loopback. */
export function testConfig(place: Pick<TestPlace, 'folder' | 'databaseUrl'>, changes: Partial<Config> = {}): Config {
  return {
    command: 'serve',
    dataFolder: place.folder,
    host: '127.0.0.1',
    port: 0,
    verifierPort: 0,
    vaultPort: 0,
    databaseUrl: place.databaseUrl,
    keyFile: `${place.folder}.key`,
    userDataFolder: place.folder,
    headFile: undefined,
    witnessPolicyFile: undefined,
    auditDays: undefined,
    acceptRollback: undefined,
    recoverOwner: false,
    tls: undefined,
    clientCertificates: undefined,
    behindProxy: false,
    publicUrl: undefined,
    trustedProxies: [],
    withVerifier: true,
    restore: { input: undefined, identityFile: undefined, drill: false, inputFiles: [] },
    controlUrl: undefined,
    tokenFile: undefined,
    controlCertificateFile: undefined,
    redisUrl: undefined,
    redisDurable: false,
    logLevel: 'silent',
    passwordsInEnvironment: [],
    childEnvironment: {},
    ...changes,
  };
}

export async function startInstallation(place: TestPlace, changes: Partial<Config> = {}): Promise<TestInstallation> {
  await using stack = new AsyncDisposableStack();
  const config = testConfig(place, changes);
  const log = createLog(config.logLevel, 'test');
  const control = stack.use(await startControlPlane(config, log));
  const ofVerifier = { ...config, controlUrl: control.url, tokenFile: control.verifierTokenFile };
  const verifier = stack.use(await startVerifierProcess(ofVerifier, log));
  await Promise.all([untilReady(verifier.url), control.seal]);
  // Gone once there is a first owner.
  const { bootstrapTokenFile: file } = control;
  const bootstrapToken = existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
  const running = stack.move();
  return {
    controlUrl: control.url,
    verifierUrl: verifier.url,
    vaultUrl: control.vaultUrl,
    bootstrapToken,
    verifierTokenFile: control.verifierTokenFile,
    config,
    call: (method, path, body, options = {}) =>
      send(new URL(path, control.url), method, body, { token: bootstrapToken, ...options }),
    verify: async (body, token = bootstrapToken) => {
      const answer = await send(new URL('/v1/verify', verifier.url), 'POST', body, { token });
      if (answer.status !== 200) throw new Error(`verify answered ${answer.status}: ${JSON.stringify(answer.body)}`);
      return answer.body as Verdict;
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

export async function send(url: URL, method: string, body: unknown, options: CallOptions): Promise<TestAnswer> {
  const response = await fetch(url, {
    method,
    headers: {
      ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...options.headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) };
}

/** Asks until the process says that it is ready; an event would need a channel that tests should not have. */
export async function untilReady(url: string): Promise<void> {
  for (let i = 0; i < 500; i++) {
    const { status } = await send(new URL('/health/ready', url), 'GET', undefined, {});
    if (status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`${url} did not become ready`);
}
