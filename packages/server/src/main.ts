import { systemClock } from './clock.ts';
import { ConfigError, readConfig } from './config.ts';
import { RestoreRefused } from './backup/restore-backup.ts';
import { describeDrill, describeRestore, runDrill, runRestore } from './backup/restore-command.ts';
import { createLog } from './http/log.ts';
import { type StartedSeal, startControlPlane } from './app.ts';
import { AlreadyRunning } from './database/instance-lock.ts';
import { UnusableData } from './database/open-data.ts';
import { UnsafeServer } from './database/store.ts';
import { LooseModes } from './file-modes.ts';
import { leaveMemoryOutOfCoreDumps } from './vault/os-protection.ts';
import { RolledBack } from './ledger/rollback-guard.ts';
import { KeyFileError } from './vault/file-seal.ts';
import { spawnVerifier } from './verification/spawn-verifier.ts';
import { startVerifierProcess } from './verification/verifier-process.ts';

/** What the process tells its parent once it serves. */
export interface Started {
  readonly url: string;
  readonly verifierUrl?: string;
  readonly vaultUrl?: string;
  readonly certificateUrl?: string | undefined;
  readonly bootstrapTokenFile?: string;
  readonly seal?: StartedSeal;
}

/** Exit codes: 0 stopped as asked, 1 fault, 2 can't start as configured. */
const EXIT_FAULT = 1;
/** So long a start that failed may take to end what it had begun. */
const END_PATIENCE_MS = 5_000;
const EXIT_CONFIGURATION = 2;

/** By the codes of PostgreSQL (appendix A of its manual) and of the network. None of its texts repeats a password. */
const OF_THE_DATABASE: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the database does not answer',
  '28P01': 'the database does not let this user in: look at KEYHOLD_DATABASE_URL',
  '28000': 'the database does not let this user in: look at KEYHOLD_DATABASE_URL',
  '3D000': 'create the database that KEYHOLD_DATABASE_URL names',
  '42501': 'the database does not let this user make its tables',
};

const stack = new AsyncDisposableStack();
try {
  const config = readConfig(process.argv.slice(2), process.env);
  process.umask(0o077);
  process.title = `keyhold ${config.command}`;
  const log = createLog(config.logLevel, `keyhold-${config.command}`);
  warnOfOpenPlaces(config, log, leaveMemoryOutOfCoreDumps());
  stopWhenAsked(stack);
  if (config.command === 'restore') {
    const code = config.restore.drill ? await drill(config) : await restore(config);
    process.exit(code);
  }
  const started = config.command === 'serve' ? await serve(config, log, stack) : await verify(config, log, stack);
  // It may have been stopped meanwhile, and whoever would be told be gone.
  if (!stack.disposed) {
    log.info(started, 'serving');
    process.send?.(started);
  }
} catch (error) {
  const words = inWords(error);
  console.error(words === null ? error : `keyhold: ${words}`);
  const end = () => process.exit(words === null ? EXIT_FAULT : EXIT_CONFIGURATION);
  // What was begun ends first: a PIN that was tried has its entry. What hangs is not waited for.
  systemClock.after(END_PATIENCE_MS, end);
  stack.disposeAsync().then(end, end);
}

/** Where secrets of this process lie open to whoever runs as the same user. Other systems than Linux have no such switch. */
function warnOfOpenPlaces(
  { passwordsInEnvironment }: ReturnType<typeof readConfig>,
  log: ReturnType<typeof createLog>,
  dumpsAreEmpty: boolean,
): void {
  if (!dumpsAreEmpty && process.platform === 'linux')
    log.warn('a core dump of this process would hold its memory: switch them off with ulimit -c 0');
  for (const name of passwordsInEnvironment)
    log.warn(`${name} holds a password that its environment shows: give ${name}_FILE in its place`);
}

/** What whoever started us can mend, said so that he can; null for everything else. */
function inWords(error: unknown): string | null {
  if (
    error instanceof ConfigError ||
    error instanceof AlreadyRunning ||
    error instanceof KeyFileError ||
    error instanceof RolledBack ||
    error instanceof RestoreRefused ||
    error instanceof LooseModes ||
    error instanceof UnsafeServer ||
    error instanceof UnusableData
  )
    return error.message;
  const { code = '', port, path, message } = error as NodeJS.ErrnoException & { readonly port?: number };
  const database = OF_THE_DATABASE[code];
  if (database !== undefined) return `${database}: ${message}`;
  if (code === 'EADDRINUSE')
    return `port ${port} is taken: choose others with KEYHOLD_PORT, KEYHOLD_VERIFIER_PORT, KEYHOLD_VAULT_PORT and KEYHOLD_TLS_CLIENT_PORT`;
  if (code === 'EEXIST' || code === 'ENOTDIR') return `${path} is to be a folder, and something else is there`;
  if (code === 'EACCES' || code === 'ENOENT' || code === 'EISDIR') return `cannot use ${path}: ${message}`;
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN' || code === 'EADDRNOTAVAIL')
    return `KEYHOLD_DATABASE_URL or --host names what is not there: ${message}`;
  return null;
}

async function restore(config: ReturnType<typeof readConfig>): Promise<number> {
  for (const line of describeRestore(await runRestore(config))) console.log(line);
  return 0;
}

/** Whoever started us is told what was found, and enters it. */
async function drill(config: ReturnType<typeof readConfig>): Promise<number> {
  const report = await runDrill(config);
  for (const line of describeDrill(report)) console.log(line);
  if (process.send !== undefined) {
    await new Promise<void>((told) => process.send?.(report, undefined, undefined, () => told()));
  }
  return report.failed === null ? 0 : EXIT_FAULT;
}

async function serve(
  config: ReturnType<typeof readConfig>,
  log: ReturnType<typeof createLog>,
  stack: AsyncDisposableStack,
): Promise<Started> {
  const control = stack.use(await startControlPlane(config, log));
  const { url, vaultUrl, certificateUrl, bootstrapTokenFile } = control;
  const served = { url, vaultUrl, certificateUrl, bootstrapTokenFile };
  if (!config.withVerifier) return { ...served, seal: await control.seal };
  // Ends first: its goodbye is written while the database is open, so that the next start waits for nobody. It starts
  // before the seal is open: an HSM that hangs keeps nobody from verifying.
  const verifier = stack.use(spawnVerifier(config, url, control.verifierTokenFile, log));
  const [verifierUrl, seal] = await Promise.all([verifier.url, control.seal]);
  return { ...served, verifierUrl, seal };
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
