import { ConfigError, readConfig } from './config.ts';
import { createLog } from './http/log.ts';
import { startControlPlane } from './app.ts';
import { AlreadyRunning } from './database/instance-lock.ts';
import { spawnVerifier } from './verification/spawn-verifier.ts';
import { startVerifierProcess } from './verification/verifier-process.ts';

/** What the process tells its parent once it serves. */
export interface Started {
  readonly url: string;
  readonly verifierUrl?: string;
  readonly bootstrapTokenFile?: string;
}

/** Exit codes: 0 stopped as asked, 1 fault, 2 can't start as configured. */
const EXIT_FAULT = 1;
const EXIT_CONFIGURATION = 2;

try {
  const config = readConfig(process.argv.slice(2), process.env);
  process.umask(0o077);
  process.title = `keyhold ${config.command}`;
  const log = createLog(config.logLevel, `keyhold-${config.command}`);
  const stack = new AsyncDisposableStack();
  stopWhenAsked(stack);
  const started = config.command === 'serve' ? await serve(config, log, stack) : await verify(config, log, stack);
  log.info(started, 'serving');
  process.send?.(started);
} catch (error) {
  const known = error instanceof ConfigError || error instanceof AlreadyRunning;
  console.error(known ? `keyhold: ${error.message}` : error);
  process.exit(known ? EXIT_CONFIGURATION : EXIT_FAULT);
}

async function serve(
  config: ReturnType<typeof readConfig>,
  log: ReturnType<typeof createLog>,
  stack: AsyncDisposableStack,
): Promise<Started> {
  const control = stack.use(await startControlPlane(config, log));
  const { url, bootstrapTokenFile } = control;
  if (!config.withVerifier) return { url, bootstrapTokenFile };
  const verifier = stack.use(spawnVerifier(config, url, control.verifierTokenFile, log));
  return { url, verifierUrl: await verifier.url, bootstrapTokenFile };
}

async function verify(
  config: ReturnType<typeof readConfig>,
  log: ReturnType<typeof createLog>,
  stack: AsyncDisposableStack,
): Promise<Started> {
  return { url: stack.use(await startVerifierProcess(config, log)).url };
}

/** Stops cleanly on SIGINT and SIGTERM, and when the parent that started us with a channel is gone. */
function stopWhenAsked(stack: AsyncDisposableStack): void {
  let stopping = false;
  const stop = () => {
    if (stopping) return;
    stopping = true;
    stack.disposeAsync().then(
      () => process.exit(0),
      () => process.exit(EXIT_FAULT),
    );
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  process.on('disconnect', stop);
}
