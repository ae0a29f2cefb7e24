import { randomUUID } from 'node:crypto';
import { renameSync, rmSync, statSync, writeFileSync } from 'node:fs';

/**
 * Writes what its owner alone may read, whole or not at all. A file that was there gives it neither its mode nor its
 * readers: another takes its place.
 */
export function writePrivate(file: string, text: string): void {
  const there = statSync(file, { throwIfNoEntry: false });
  // A pipe or a terminal keeps nothing, and /dev/stdout must stay what it is.
  if (there !== undefined && !there.isFile()) return writeFileSync(file, text);
  const fresh = `${file}.${randomUUID()}`;
  try {
    writeFileSync(fresh, text, { flag: 'wx', mode: 0o600 });
    renameSync(fresh, file);
  } finally {
    rmSync(fresh, { force: true });
  }
}
