import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { type DialectAdapter, type SqliteDatabase, type SqliteStatement, SqliteDialect } from 'kysely';
import { AtOnceAdapter } from './run.ts';
import { SharedRead } from './shared-read.ts';

/** How often a waiting connection tries again before it gives up, in milliseconds. */
const BUSY_TIMEOUT_MS = 5_000;

/**
 * A Kysely dialect over `node:sqlite`. Statements are prepared once and kept: Keyhold's statements are a fixed set.
 * `synchronous=FULL` syncs the write-ahead log at each commit: what is acknowledged is on the disk.
 */
export function sqliteKyselyDialect(path: string): SqliteDialect {
  const database = open(path, false);
  database.exec(
    // secure_delete: what is erased leaves no bytes in free pages.
    'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON',
  );
  return new AtOnceDialect(adapt(database), () => {});
}

/** The same for a connection that only reads, each time the newest state. */
export function sqliteReadingDialect(path: string): SqliteDialect {
  return new AtOnceDialect(adapt(open(path, true)), () => {});
}

/** The same for many small reads; whoever commits ends what they share first. */
export function sqliteSharedDialect(path: string): { readonly dialect: SqliteDialect; readonly shared: SharedRead } {
  const database = open(path, true);
  const shared = new SharedRead(database);
  return { dialect: new AtOnceDialect(adapt(database), () => shared.begin()), shared };
}

function open(path: string, readOnly: boolean): DatabaseSync {
  const database = new DatabaseSync(path, { readOnly });
  // What a long read or a sort sets aside lies in no temporary file.
  database.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}; PRAGMA temp_store = MEMORY`);
  return database;
}

/** A dialect over an open database that readers and the writer may share: Kysely lets them take turns. */
export function dialectOver(database: DatabaseSync): SqliteDialect {
  return new SqliteDialect({ database: adapt(database) });
}

/** The dialect of a connection with one user: what is compiled is run without asking whose turn it is. */
class AtOnceDialect extends SqliteDialect {
  readonly #database: SqliteDatabase;
  readonly #before: () => void;

  constructor(database: SqliteDatabase, before: () => void) {
    super({ database });
    this.#database = database;
    this.#before = before;
  }

  override createAdapter(): DialectAdapter {
    return new AtOnceAdapter(this.#database, this.#before);
  }
}

/** Distinct statements kept prepared; lists with varying filters make a few hundred at most. */
const MAX_PREPARED = 500;

function adapt(database: DatabaseSync): SqliteDatabase {
  const prepared = new Map<string, SqliteStatement>();
  return {
    close: () => database.close(),
    prepare: (sql) => {
      const known = prepared.get(sql);
      if (known !== undefined) return known;
      if (prepared.size >= MAX_PREPARED) prepared.clear();
      const statement = adaptStatement(database.prepare(sql));
      prepared.set(sql, statement);
      return statement;
    },
  };
}

function adaptStatement(statement: StatementSync): SqliteStatement {
  const names = statement.columns().map(({ name }) => name);
  // The rows that `node:sqlite` makes itself are hash tables, slow to read and slower to copy.
  statement.setReturnArrays(true);
  return {
    reader: names.length > 0,
    all: (parameters) => {
      const rows = statement.all(...(parameters as SQLInputValue[])) as unknown as unknown[][];
      return rows.map((values) => rowOf(names, values));
    },
    run: (parameters) => statement.run(...(parameters as SQLInputValue[])),
    iterate: (parameters) => iterateRows(names, statement.iterate(...(parameters as SQLInputValue[]))),
  };
}

function* iterateRows(names: readonly string[], rows: Iterable<unknown>): IterableIterator<unknown> {
  for (const values of rows) yield rowOf(names, values as unknown[]);
}

function rowOf(names: readonly string[], values: readonly unknown[]): Record<string, unknown> {
  const row: Record<string, unknown> = {};
  for (let i = 0; i < names.length; i++) row[names[i] as string] = values[i];
  return row;
}
