import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Runs tests as `npm test` does, with larger counts; true when they passed. */
export async function runTests(patterns: readonly string[], env: Readonly<Record<string, string>>): Promise<boolean> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('../test.ts', import.meta.url)), ...patterns], {
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  return await new Promise((resolve) => child.once('exit', (code) => resolve(code === 0)));
}
