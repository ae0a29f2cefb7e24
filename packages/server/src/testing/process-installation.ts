import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Verdict } from '@keyhold/protocol/verdict';
import type { TestPlace } from './databases.ts';
import {
  type CallOptions,
  send,
  type TestAnswer,
  type TestInstallation,
  testConfig,
  untilReady,
} from './installation.ts';
import { freePort, type ProcessOptions, type ServerProcess, startProcess } from './processes.ts';

/** A control plane and, once started, a verifier, as processes that can be killed and started again in their place. */
export interface ProcessInstallation extends TestInstallation {
  /** The processes that run now. */
  readonly control: ServerProcess;
  readonly verifier: ServerProcess;
  /** Asks the verifier; an answer other than a verdict is given as it is. */
  ask(body: unknown): Promise<TestAnswer>;
  /** Starts the control plane on the same data and the same port. */
  startControl(): Promise<void>;
  /** Starts a verifier on the same port; by its id it is a new one. */
  startVerifier(): Promise<void>;
}

export type ControlOptions = Partial<Pick<ProcessOptions, 'wrapper' | 'imports' | 'env'>>;

/** How a control plane with its data in `place` is started. */
export function controlProcess(
  { folder, databaseUrl }: Pick<TestPlace, 'folder' | 'databaseUrl'>,
  port: number,
): ProcessOptions {
  return {
    args: ['serve', '--no-verifier', '--data', folder, '--port', String(port)],
    env: {
      KEYHOLD_VAULT_PORT: '0',
      KEYHOLD_KEY_FILE: keyFileOf(folder),
      ...(databaseUrl === undefined ? {} : { KEYHOLD_DATABASE_URL: databaseUrl }),
    },
  };
}

/** Beside the data folder, as a root key should be. */
function keyFileOf(folder: string): string {
  return `${folder}.key`;
}

/** Starts the control plane in `place`; the verifier is started when the test says so. */
export async function startProcessInstallation(
  place: TestPlace,
  options: ControlOptions = {},
): Promise<ProcessInstallation> {
  const [controlPort, verifierPort] = [await freePort(), await freePort()];
  const processes = new Map<'control' | 'verifier', ServerProcess>();
  const startControl = async () => {
    const own = controlProcess(place, controlPort);
    const env = { ...own.env, ...options.env };
    processes.set('control', await startProcess({ ...own, ...options, env }));
  };
  await startControl();
  const tokenFile = `${place.folder}.feed-token`;
  const token = readFileSync(join(place.folder, 'bootstrap-token'), 'utf8').trim();
  const [controlUrl, verifierUrl] = [`http://127.0.0.1:${controlPort}`, `http://127.0.0.1:${verifierPort}`];
  const call = async (method: string, path: string, body?: unknown, callOptions: CallOptions = {}) => {
    const answer = await send(new URL(path, controlUrl), method, body, { token, ...callOptions });
    // Nothing that a test does may bring about one, and only the process's own log says what did.
    if (answer.status === 500) {
      throw new Error(`${method} ${path} answered 500: ${processes.get('control')?.output()}`);
    }
    return answer;
  };
  const feed = await call('POST', '/v1/tokens', { name: 'verifier', scopes: ['feed'] });
  writeFileSync(tokenFile, feed.body.secret, { mode: 0o600 });
  const ask = (body: unknown, by = token) => send(new URL('/v1/verify', verifierUrl), 'POST', body, { token: by });
  return {
    controlUrl,
    verifierUrl,
    get vaultUrl() {
      return (processes.get('control') as ServerProcess).vaultUrl;
    },
    bootstrapToken: token,
    verifierTokenFile: tokenFile,
    config: testConfig(place),
    get control() {
      return processes.get('control') as ServerProcess;
    },
    get verifier() {
      return processes.get('verifier') as ServerProcess;
    },
    call,
    ask,
    verify: async (body, by) => {
      const { status, body: verdict } = await ask(body, by);
      if (status !== 200) throw new Error(`verify answered ${status}: ${JSON.stringify(verdict)}`);
      return verdict as Verdict;
    },
    startControl,
    startVerifier: async () => {
      const args = [
        'verifier',
        '--control',
        controlUrl,
        '--token-file',
        tokenFile,
        '--verifier-port',
        String(verifierPort),
      ];
      processes.set('verifier', await startProcess({ args, env: {} }));
      await untilReady(verifierUrl);
    },
    [Symbol.asyncDispose]: async () => {
      for (const running of processes.values()) await running.kill();
      for (const file of [tokenFile, keyFileOf(place.folder)]) rmSync(file, { force: true });
    },
  };
}
