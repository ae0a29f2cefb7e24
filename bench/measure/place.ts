import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

const TMPFS_MAGIC = 0x01021994;

/** A folder on a real disk, gone afterwards: on tmpfs a sync costs nothing, and a durable commit would look cheap. */
export function temporaryFolder(): { readonly path: string } & Disposable {
  const parent = [tmpdir(), '/var/tmp', homedir()].find(isOnDisk);
  if (parent === undefined) throw new Error('no temporary folder lies on a disk; set TMPDIR to one that does');
  const path = mkdtempSync(join(parent, 'keyhold-bench-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

function isOnDisk(folder: string): boolean {
  try {
    return statfsSync(folder).type !== TMPFS_MAGIC;
  } catch {
    return false;
  }
}
