import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestPlace } from './databases.ts';

/** A small disk of its own. */
export interface SmallDisk extends AsyncDisposable {
  readonly place: TestPlace;
  /** Takes all space that is left; disposing of the result gives it back. */
  fill(): AsyncDisposable;
}

/** Mounts a tmpfs; null where this user may not. */
export function mountSmallDisk(size: string): SmallDisk | null {
  const mountPoint = mkdtempSync(join(tmpdir(), 'keyhold-disk-'));
  const unmount = async () => {
    spawnSync('umount', [mountPoint]);
    rmSync(mountPoint, { recursive: true, force: true });
  };
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0700`, 'tmpfs', mountPoint]).status !== 0) {
    rmSync(mountPoint, { recursive: true, force: true });
    return null;
  }
  const folder = join(mountPoint, 'data');
  mkdirSync(folder, { mode: 0o700 });
  return {
    place: { folder, databaseUrl: undefined, [Symbol.asyncDispose]: async () => {} },
    fill: () => fill(join(mountPoint, 'filler')),
    [Symbol.asyncDispose]: unmount,
  };
}

function fill(file: string): AsyncDisposable {
  const descriptor = openSync(file, 'w');
  const page = Buffer.alloc(4096, 1);
  try {
    for (;;) writeSync(descriptor, page);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    closeSync(descriptor);
  }
  return { [Symbol.asyncDispose]: async () => rmSync(file) };
}

/**
 * Makes the system refuse a running process some calls on some files, as strace can; disposing of it lets go.
 * @param calls such as `pwrite64:error=EROFS`
 */
export async function injectFault(pid: number, files: readonly string[], calls: string): Promise<AsyncDisposable> {
  const names = calls.split(':')[0] as string;
  const paths = files.flatMap((file) => ['-P', file]);
  const args = ['-f', '-o', '/dev/null', ...paths, '-e', `trace=${names}`, '-e', `inject=${calls}`, '-p', String(pid)];
  const strace = spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const gone = once(strace, 'exit');
  let said = '';
  await new Promise<void>((resolve, reject) => {
    strace.stderr.on('data', (chunk: Buffer) => {
      said += String(chunk);
      if (said.includes('attached')) resolve();
    });
    strace.once('exit', (code) => reject(new Error(`strace ended with ${code}: ${said}`)));
  });
  return {
    [Symbol.asyncDispose]: async () => {
      strace.kill('SIGINT');
      await gone;
    },
  };
}
