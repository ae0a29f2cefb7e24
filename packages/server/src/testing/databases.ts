import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'node:test';
import { createTestDatabase, POSTGRES_URL } from './postgres.ts';

/** A place for one installation's data, gone afterwards. */
export interface TestPlace extends AsyncDisposable {
  readonly folder: string;
  /** Undefined: SQLite in the folder. */
  readonly databaseUrl: string | undefined;
}

export type DatabaseName = 'sqlite' | 'postgres';

/** Runs the same suite on every database there is. `npm test` says which one was missing. */
export function onEachDatabase(name: string, suite: (createPlace: () => Promise<TestPlace>) => void): void {
  describe(`${name} (sqlite)`, () => suite(() => createPlace('sqlite')));
  if (POSTGRES_URL !== undefined) describe(`${name} (postgres)`, () => suite(() => createPlace('postgres')));
}

export async function createPlace(database: DatabaseName): Promise<TestPlace> {
  // As `main.ts` does: files that are open to others are refused.
  process.umask(0o077);
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-test-'));
  const postgres = database === 'postgres' ? await createTestDatabase() : undefined;
  return {
    folder,
    databaseUrl: postgres?.url,
    [Symbol.asyncDispose]: async () => {
      await postgres?.[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
      rmSync(`${folder}.key`, { force: true });
    },
  };
}
