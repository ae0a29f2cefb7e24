import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { type SqliteDatabase, type SqliteStatement, SqliteDialect } from 'kysely';

/** How often a waiting connection tries again before it gives up, in milliseconds. */
const BUSY_TIMEOUT_MS = 5_000;

/**
 * A Kysely dialect over `node:sqlite`. Statements are prepared once and kept: Keyhold's statements are a fixed set.
 * `synchronous=FULL` syncs the write-ahead log at each commit: what is acknowledged is on the disk.
 */
export function sqliteKyselyDialect(path: string, options: { readOnly: boolean }): SqliteDialect {
  const database = new DatabaseSync(path, { readOnly: options.readOnly });
  database.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
  if (!options.readOnly) {
    database.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = ON',
    );
  }
  return dialectOver(database);
}

/** A dialect over an open database. */
export function dialectOver(database: DatabaseSync): SqliteDialect {
  return new SqliteDialect({ database: adapt(database) });
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
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => statement.all(...(parameters as SQLInputValue[])),
    run: (parameters) => statement.run(...(parameters as SQLInputValue[])),
    iterate: (parameters) => statement.iterate(...(parameters as SQLInputValue[])),
  };
}
