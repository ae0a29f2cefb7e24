import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';
import type { TestPlace } from './databases.ts';

/** A second connection to an installation's database, past the ledger: what an intruder has. */
export interface RawDatabase extends AsyncDisposable {
  run(statement: string): Promise<void>;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into rows of every shape
  rows(query: string): Promise<any[]>;
}

/** Foreign keys bind nobody here: who writes past the ledger turns them off. */
export async function openRaw({
  folder,
  databaseUrl,
}: Pick<TestPlace, 'folder' | 'databaseUrl'>): Promise<RawDatabase> {
  if (databaseUrl === undefined) return openRawSqlite(join(folder, 'keyhold.db'));
  // Numbers as Keyhold reads them, so that digests of rows can be computed.
  const types = {
    getTypeParser: ((oid: number, format?: 'text') =>
      oid === pg.types.builtins.INT8 ? Number : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
  };
  const client = new pg.Client({ connectionString: databaseUrl, types });
  // The database may be dropped under it at the end of a suite.
  client.on('error', () => {});
  await client.connect();
  await client.query('set session_replication_role = replica');
  return {
    run: async (statement) => void (await client.query(statement)),
    rows: async (query) => (await client.query(query)).rows,
    [Symbol.asyncDispose]: () => client.end(),
  };
}

function openRawSqlite(path: string): RawDatabase {
  const database = new DatabaseSync(path);
  database.exec('PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = OFF');
  return {
    run: async (statement) => void database.exec(statement),
    rows: async (query) => database.prepare(query).all(),
    [Symbol.asyncDispose]: async () => database.close(),
  };
}
