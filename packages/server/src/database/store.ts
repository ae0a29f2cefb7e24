import { CompiledQuery, Kysely, PostgresDialect, sql } from 'kysely';
import pg from 'pg';
import { type Dialect, postgresDialect, sqliteDialect } from './dialect.ts';
import { migrate } from './migrate.ts';
import type { Database } from './schema.ts';
import { sqliteKyselyDialect, sqliteReadingDialect, sqliteSharedDialect } from './sqlite.ts';
import { Writer } from './writer.ts';

/** The open database: one writer, many readers. */
export interface Store extends AsyncDisposable {
  readonly dialect: Dialect;
  readonly writer: Writer;
  /** For reading committed state only. */
  readonly reader: Kysely<Database>;
  /** Runs `read` on one unchanging state of the database. */
  readSnapshot<T>(read: (connection: Kysely<Database>) => Promise<T>): Promise<T>;
}

const READER_CONNECTIONS = 8;
/** Of their own, on PostgreSQL: a backup holds one for as long as it takes, and no other reader waits for it. */
const SNAPSHOT_CONNECTIONS = 8;
const CONNECT_TIMEOUT_MS = 5_000;
const INT8_OID = 20;
const ROLLBACK = CompiledQuery.raw('rollback');

/** Opens (and where needed makes) the SQLite database at `path` and brings its schema up to date. */
export async function openSqlite(path: string): Promise<Store> {
  const writing = new Kysely<Database>({ dialect: sqliteKyselyDialect(path) });
  await migrate(writing, sqliteDialect);
  const { dialect, shared } = sqliteSharedDialect(path);
  const reader = new Kysely<Database>({ dialect });
  const writer = new Writer(writing, sqliteDialect, () => shared.end());
  return assemble(sqliteDialect, { writing, writer }, reader, async (read) => {
    // A connection of its own, so that a long snapshot holds up no other reader.
    const connection = new Kysely<Database>({ dialect: sqliteReadingDialect(path) });
    try {
      return await inSnapshot(sqliteDialect, connection, read);
    } finally {
      await connection.destroy();
    }
  });
}

/** Connects to PostgreSQL and brings the schema up to date. */
export async function openPostgres(url: string): Promise<Store> {
  const writing = postgres(url, 1);
  await refuseUnsafeServer(writing);
  await migrate(writing, postgresDialect);
  const reader = postgres(url, READER_CONNECTIONS);
  const snapshots = postgres(url, SNAPSHOT_CONNECTIONS);
  const writer = new Writer(writing, postgresDialect);
  const store = assemble(postgresDialect, { writing, writer }, reader, (read) =>
    inSnapshot(postgresDialect, snapshots, read),
  );
  return {
    ...store,
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]();
      await snapshots.destroy();
    },
  };
}

function postgres(url: string, connections: number): Kysely<Database> {
  const pool = new pg.Pool({
    connectionString: url,
    max: connections,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    types: {
      // Sequences, times and counts stay far below 2^53.
      getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
        oid === INT8_OID ? Number : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser,
    },
  });
  // A connection that dies is replaced at the next use; without listeners, idle or in use, it would end the process.
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
}

/** What this server acknowledges may be gone after a crash. */
export class UnsafeServer extends Error {
  override readonly name = 'UnsafeServer';
}

/** @throws UnsafeServer when the server doesn't sync, which nothing on our side can make up for */
async function refuseUnsafeServer(db: Kysely<Database>): Promise<void> {
  const { rows } = await sql<{ fsync: string }>`show fsync`.execute(db);
  if (rows[0]?.fsync === 'on') return;
  await db.destroy();
  throw new UnsafeServer('PostgreSQL runs with fsync=off: after a crash it loses what it acknowledged. Turn fsync on');
}

function assemble(
  dialect: Dialect,
  { writing, writer }: { readonly writing: Kysely<Database>; readonly writer: Writer },
  reader: Kysely<Database>,
  readSnapshot: Store['readSnapshot'],
): Store {
  return {
    dialect,
    writer,
    reader,
    readSnapshot,
    [Symbol.asyncDispose]: async () => {
      await writer.idle();
      // The writer closes last: only then does SQLite fold the write-ahead log into the database file.
      await reader.destroy();
      await writing.destroy();
    },
  };
}

async function inSnapshot<T>(
  dialect: Dialect,
  connection: Kysely<Database>,
  read: (connection: Kysely<Database>) => Promise<T>,
): Promise<T> {
  return await connection.connection().execute(async (held) => {
    await dialect.beginSnapshot(held);
    try {
      return await read(held);
    } finally {
      await held.executeQuery(ROLLBACK).catch(() => {});
    }
  });
}
