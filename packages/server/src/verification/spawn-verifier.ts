import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Config, ConfigError } from '../config.ts';
import type { Log } from '../http/log.ts';

/** The verifier process that `keyhold serve` runs beside itself. */
export interface SpawnedVerifier extends AsyncDisposable {
  /** Address of the first one, once it serves. */
  readonly url: Promise<string>;
}

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 10_000;
/** The exit code of a process that can't start as configured. */
const CONFIGURATION = 2;
const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));

/** Starts it and starts it again when it dies. It ends with its parent: the channel between them closes. */
export function spawnVerifier(config: Config, controlUrl: string, tokenFile: string, log: Log): SpawnedVerifier {
  let stopping = false;
  let served = false;
  let restart: NodeJS.Timeout | undefined;
  let child: ChildProcess | null = null;
  let pauseMs = FIRST_PAUSE_MS;
  const { promise: url, resolve, reject } = Promise.withResolvers<string>();
  const start = () => {
    child = spawn(process.execPath, [MAIN, ...argumentsFor(config, controlUrl, tokenFile)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      // It never asks the database, so it doesn't get to know the way there.
      env: { ...config.childEnvironment },
    });
    child.on('message', (message) => {
      pauseMs = FIRST_PAUSE_MS;
      served = true;
      resolve((message as { url: string }).url);
    });
    child.on('exit', (code, signal) => {
      child = null;
      if (stopping) return;
      // It said itself what has to be mended, and is not helped by being started again.
      if (code === CONFIGURATION && !served)
        return reject(new ConfigError('its verifier process cannot start: see above'));
      log.error({ code, signal }, 'the verifier process ended; starting it again');
      reject(new Error('the verifier process did not start'));
      restart = setTimeout(start, pauseMs);
      pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2);
    });
  };
  start();
  url.catch(() => {});
  return {
    url,
    [Symbol.asyncDispose]: async () => {
      stopping = true;
      clearTimeout(restart);
      const running = child;
      if (running === null) return;
      const ended = new Promise((done) => running.once('exit', done));
      running.kill('SIGTERM');
      await ended;
    },
  };
}

/** Paths only: a secret in an argument could be read by everybody on the machine. */
function argumentsFor(config: Config, controlUrl: string, tokenFile: string): string[] {
  const tls =
    config.tls === undefined
      ? []
      : [
          '--tls-cert',
          config.tls.certificateFile,
          '--tls-key',
          config.tls.keyFile,
          '--control-cert',
          config.tls.certificateFile,
        ];
  return [
    'verifier',
    '--control',
    controlUrl,
    '--token-file',
    tokenFile,
    '--host',
    config.host,
    '--verifier-port',
    String(config.verifierPort),
    ...(config.behindProxy ? ['--behind-proxy'] : []),
    ...tls,
  ];
}
