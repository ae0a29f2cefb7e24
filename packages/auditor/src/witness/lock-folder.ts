import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { StateUnusable } from './state-unusable.ts';

/**
 * Locks a state folder for this process: an exclusive transaction on a file of its own, which the system ends with the
 * process. Two witnesses on one state would cosign two trees.
 * @throws StateUnusable
 */
export function lockFolder(folder: string): Disposable {
  const database = new DatabaseSync(join(folder, 'lock'));
  try {
    database.exec('PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE');
  } catch {
    database.close();
    throw new StateUnusable(`another witness runs on ${folder}: stop it first`);
  }
  return { [Symbol.dispose]: () => database.close() };
}
