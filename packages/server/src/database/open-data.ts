import { join } from 'node:path';
import { lockFolder, lockPostgres } from './instance-lock.ts';
import { openPostgres, openSqlite, type Store } from './store.ts';

/**
 * Opens the installation's data for this process alone: PostgreSQL where a URL is given, else SQLite in the folder.
 * @throws AlreadyRunning, UnsafeServer
 */
export async function openData(
  { dataFolder, databaseUrl }: { readonly dataFolder: string; readonly databaseUrl: string | undefined },
  stack: AsyncDisposableStack,
): Promise<Store> {
  const file = (name: string) => join(dataFolder, name);
  stack.use(await (databaseUrl === undefined ? lockFolder(file('keyhold.lock')) : lockPostgres(databaseUrl)));
  return stack.use(await (databaseUrl === undefined ? openSqlite(file('keyhold.db')) : openPostgres(databaseUrl)));
}
