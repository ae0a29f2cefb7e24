import { type ChildProcess, fork } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A process of its own that is asked over its channel, one question at a time. */
export interface Child<Started> extends AsyncDisposable {
  /** What it said first. */
  readonly started: Started;
  /** Asks `{ask, …}` and returns the `answer`. */
  ask<T>(question: { readonly ask: string } & Readonly<Record<string, unknown>>): Promise<T>;
  /** CPU-seconds since its start, all threads. */
  cpuSeconds(): Promise<number>;
}

export interface ChildOptions {
  /** Relative to `bench/`. */
  readonly script: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Modules to preload, relative to `bench/`. */
  readonly preload?: readonly string[];
  /** Where its standard error goes; shown only when it ends too early. */
  readonly logFolder: string;
}

let count = 0;

/** Starts a script and waits for its first message. */
export async function startChild<Started>(options: ChildOptions): Promise<Child<Started>> {
  const logFile = join(options.logFolder, `child-${process.pid}-${count++}.log`);
  const log = openSync(logFile, 'w');
  const preload = ['measure/answer-cpu.ts', ...(options.preload ?? [])];
  const child = fork(fileURLToPath(inBench(options.script)), options.args ?? [], {
    env: { ...process.env, ...options.env },
    execArgv: preload.flatMap((module) => ['--import', inBench(module).href]),
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', log, 'ipc'],
  });
  closeSync(log);
  const ended = new Promise<never>((_, reject) => {
    child.once('exit', (code, signal) => {
      reject(new Error(`${options.script} ended (${code ?? signal}): ${readFileSync(logFile, 'utf8').slice(-2000)}`));
    });
  });
  ended.catch(() => {});
  const next = (wanted: (message: object) => boolean) => Promise.race([nextMessage(child, wanted), ended]);
  const started = (await next(() => true)) as Started;
  const ask: Child<Started>['ask'] = async (question) => {
    const answered = next((message) => 'answer' in message);
    // A channel that is closed means that the child has ended, and that is the error to show.
    child.send(question, () => {});
    return ((await answered) as { answer: never }).answer;
  };
  return {
    started,
    ask,
    cpuSeconds: async () => {
      const { user, system } = await ask<NodeJS.CpuUsage>({ ask: 'cpu' });
      return (user + system) / 1e6;
    },
    [Symbol.asyncDispose]: () => stop(child),
  };
}

function inBench(path: string): URL {
  return new URL(`../${path}`, import.meta.url);
}

function nextMessage(child: ChildProcess, wanted: (message: object) => boolean): Promise<unknown> {
  return new Promise((resolve) => {
    const look = (message: unknown) => {
      if (typeof message !== 'object' || message === null || !wanted(message)) return;
      child.off('message', look);
      resolve(message);
    };
    child.on('message', look);
  });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await gone;
}
