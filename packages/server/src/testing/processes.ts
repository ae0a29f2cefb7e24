import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import type { Started } from '../main.ts';

/** A control plane or verifier in a process of its own, as an operator runs it. */
export interface ServerProcess extends AsyncDisposable {
  readonly url: string;
  /** Empty for a verifier. */
  readonly vaultUrl: string;
  readonly pid: number;
  /** False once it has ended, for whatever reason. */
  readonly running: boolean;
  /** What it wrote to stdout and stderr. */
  output(): string;
  /** `kill -9`: it is told nothing beforehand. Returns when it is gone. */
  kill(): Promise<void>;
  /** Asks it to stop; resolves to its exit code. */
  stop(): Promise<number | null>;
}

export interface ProcessOptions {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** A command that runs the process, such as strace. */
  readonly wrapper?: readonly string[];
  /** Modules that are loaded before the entry. */
  readonly imports?: readonly string[];
}

/** The process ended before it served. */
export class StartFailed extends Error {
  override readonly name = 'StartFailed';
  readonly exitCode: number | null;
  readonly output: string;

  constructor(exitCode: number | null, output: string) {
    super(`it ended with ${exitCode} before it served: ${output}`);
    this.exitCode = exitCode;
    this.output = output;
  }
}

const ENTRY = fileURLToPath(new URL('../main.ts', import.meta.url));
const OUTPUT_KEPT = 100_000;

/** What a process needs of this one's environment. */
export function inherited(): Record<string, string> {
  const names = ['PATH', 'HOME', 'NODE_COMPILE_CACHE'];
  return Object.fromEntries(
    names.flatMap((name) => [[name, process.env[name] ?? '']]).filter(([, value]) => value !== ''),
  );
}

/**
 * Starts the server's own entry and waits until it says that it serves.
 * @throws StartFailed
 */
export async function startProcess({ args, env, wrapper = [], imports = [] }: ProcessOptions): Promise<ServerProcess> {
  const command = [...wrapper, process.execPath, ...imports.flatMap((module) => ['--import', module]), ENTRY, ...args];
  const child = spawn(command[0] as string, command.slice(1), {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    // Only what is named: nothing of the test run's own settings may change what is tested.
    env: { ...inherited(), KEYHOLD_LOG_LEVEL: 'error', ...env },
  });
  let output = '';
  const keep = (chunk: Buffer) => {
    output = (output + String(chunk)).slice(-OUTPUT_KEPT);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  // Not 'close': it never comes for a child whose channel the parent has disconnected.
  const closed = Promise.all([once(child, 'exit'), ended(child.stdout), ended(child.stderr)]).then(
    ([[code]]) => code as number | null,
  );
  const started = await Promise.race([
    once(child, 'message').then(([message]) => message as Started),
    closed.then((code) => Promise.reject(new StartFailed(code, output))),
  ]);
  return wrap(child, started, closed, () => output);
}

async function ended(stream: Readable | null): Promise<void> {
  if (stream !== null) await finished(stream);
}

function wrap(
  child: ChildProcess,
  { url, vaultUrl = '' }: Started,
  closed: Promise<number | null>,
  output: () => string,
): ServerProcess {
  const kill = async () => {
    child.kill('SIGKILL');
    await closed;
  };
  return {
    url,
    vaultUrl,
    pid: child.pid as number,
    get running() {
      return child.exitCode === null && child.signalCode === null;
    },
    output,
    kill,
    // Through the channel, so that it reaches the server behind a wrapper too.
    stop: async () => {
      if (child.connected) child.disconnect();
      return await closed;
    },
    [Symbol.asyncDispose]: kill,
  };
}

/** A port of loopback that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
