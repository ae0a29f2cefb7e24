import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { serverEnvironment } from './environment.ts';

const FORWARDED = ['SIGINT', 'SIGTERM'] as const;

/**
 * Runs the server's own entry as a child with our streams.
 * @returns its exit code; 128 + n when signal n ended it
 */
export function runServer(
  command: 'serve' | 'verifier' | 'restore',
  args: readonly string[],
  told: (message: unknown) => void = () => {},
): Promise<number> {
  return runEntry(import.meta.resolve('@keyhold/server/main'), [command, ...args], told);
}

/** Runs a witness like that: a part of its own, which knows nothing of the server. */
export function runWitness(args: readonly string[]): Promise<number> {
  return runEntry(import.meta.resolve('@keyhold/auditor/witness/main'), args, () => {});
}

function runEntry(entry: string, args: readonly string[], told: (message: unknown) => void): Promise<number> {
  // The channel ends the child when this process dies without a word; what it says on it goes to our own parent.
  const child = spawn(process.execPath, [fileURLToPath(entry), ...args], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: serverEnvironment(),
  });
  child.on('message', (message) => {
    told(message);
    process.send?.(message);
  });
  for (const signal of FORWARDED) process.on(signal, () => child.kill(signal));
  process.on('disconnect', () => child.kill('SIGTERM'));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      // The channel to our own parent would keep this process waiting.
      if (process.connected) process.disconnect();
      resolve(signal === null ? (code ?? 1) : 128 + constants.signals[signal]);
    });
  });
}
