import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** The next start is quicker by what this one compiled. Whoever may write there may change the code itself. */
const COMPILED = `${ROOT}node_modules/.cache/keyhold`;

/** A process of ours that told that it serves. */
export interface RunningProcess extends AsyncDisposable {
  /** What it told. */
  readonly started: unknown;
  /** Resolves with its exit code. */
  readonly ended: Promise<number>;
}

/** The process ended before it served; it said why itself. */
export class ProcessEnded extends Error {
  override readonly name = 'ProcessEnded';
  readonly code: number;

  constructor(script: string, code: number) {
    super(`${script} ended with ${code}`);
    this.code = code;
  }
}

/** Runs a script of this repository and waits until it tells that it serves. */
export async function startProcess(
  script: string,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<RunningProcess> {
  const child = spawn(process.execPath, [`${ROOT}${script}`, ...args], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { NODE_COMPILE_CACHE: COMPILED, ...env },
  });
  const ended = new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
  const started = await Promise.race([
    new Promise<unknown>((resolve) => child.once('message', resolve)),
    ended.then((code) => {
      throw new ProcessEnded(script, code);
    }),
  ]);
  return {
    started,
    ended,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
