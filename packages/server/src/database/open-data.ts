import { join } from 'node:path';
import { lockFolder, lockPostgres } from './instance-lock.ts';
import { openPostgres, openSqlite, type Store } from './store.ts';

/** A folder or file of SQLite that can't be used as it is; says which. */
export class UnusableData extends Error {
  override readonly name = 'UnusableData';
}

/** What is wrong with the place, by SQLite's result codes: no right to write, no file, no database. */
const OF_THE_PLACE: ReadonlySet<number> = new Set([8, 14, 26]);

/**
 * Opens the installation's data for this process alone: PostgreSQL where a URL is given, else SQLite in the folder.
 * @throws AlreadyRunning, UnsafeServer, UnusableData
 */
export async function openData(
  { dataFolder, databaseUrl }: { readonly dataFolder: string; readonly databaseUrl: string | undefined },
  stack: AsyncDisposableStack,
): Promise<Store> {
  if (databaseUrl !== undefined) {
    stack.use(await lockPostgres(databaseUrl));
    return stack.use(await openPostgres(databaseUrl));
  }
  stack.use(await inFile(join(dataFolder, 'keyhold.lock'), lockFolder));
  return stack.use(await inFile(join(dataFolder, 'keyhold.db'), openSqlite));
}

async function inFile<T>(path: string, open: (path: string) => Promise<T>): Promise<T> {
  try {
    return await open(path);
  } catch (error) {
    const { errcode, message } = error as Error & { readonly errcode?: number };
    // The low byte is the code; what is above it says more (sqlite.org/rescode.html).
    if (errcode === undefined || !OF_THE_PLACE.has(errcode & 0xff)) throw error;
    throw new UnusableData(`cannot use ${path}: ${message}`);
  }
}
