import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { delimiter, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

export const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));

/** How a run of the real command ended. */
export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly input?: string;
}

/** Only what a run is given: the tester's own settings must not leak in. */
export function cleanEnvironment(env: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter),
    HOME: process.env['HOME'] ?? tmpdir(),
    ...compileCache(),
    ...env,
  };
}

/** Where the tests' processes keep what they compiled, if anywhere. */
function compileCache(): Record<string, string> {
  const { NODE_COMPILE_CACHE } = process.env;
  return NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE };
}

/** Runs `keyhold …` as a user does: another process, its streams and its exit code. */
export function runKeyhold(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return runProgram(process.execPath, [MAIN, ...args], options);
}

export function runProgram(program: string, args: readonly string[], options: RunOptions): Promise<Finished> {
  const { env, input = '', ...rest } = options;
  const child = spawn(program, args, { ...rest, env: cleanEnvironment(env), stdio: 'pipe' });
  const streams = [child.stdout.setEncoding('utf8').toArray(), child.stderr.setEncoding('utf8').toArray()] as const;
  child.stdin.on('error', () => {}).end(input);
  const code = new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve));
  return Promise.all([code, ...streams]).then(([ended, stdout, stderr]) => ({
    code: ended,
    stdout: stdout.join(''),
    stderr: stderr.join(''),
  }));
}
