import { type Kysely, sql } from 'kysely';
import type { Database } from './schema.ts';

/** Where the two databases differ. Everything else is one code, tested on both. */
export interface Dialect {
  readonly name: 'sqlite' | 'postgres';
  /** True where after a statement that failed, a read too, a transaction does nothing more but go back. */
  readonly failsForGood: boolean;
  /** Begins a transaction that writes. */
  begin(connection: Kysely<Database>): Promise<void>;
  /** Begins a transaction that reads one unchanging state. */
  beginSnapshot(connection: Kysely<Database>): Promise<void>;
  /** Locks rows in id order until the transaction's end; nothing to do where there is one writer. */
  lockRows(connection: Kysely<Database>, rowIds: readonly string[]): Promise<void>;
  /** Locks the ledger's head until the transaction's end. */
  lockHead(connection: Kysely<Database>): Promise<void>;
  /** Takes what was deleted out of what the database keeps besides its tables, as far as it can. */
  purge(db: Kysely<Database>): Promise<void>;
  /** Adapts a statement of a migration. */
  ddl(statement: string): string;
}

export const sqliteDialect: Dialect = {
  name: 'sqlite',
  failsForGood: false,
  // IMMEDIATE: takes the write lock now, so that no statement in between meets SQLITE_BUSY.
  begin: async (connection) => void (await sql`begin immediate`.execute(connection)),
  beginSnapshot: async (connection) => void (await sql`begin`.execute(connection)),
  lockRows: async () => {},
  lockHead: async () => {},
  // Where somebody reads at this moment the log stays for the next time.
  purge: async (db) => void (await sql`pragma wal_checkpoint(truncate)`.execute(db)),
  ddl: (statement) => statement,
};

export const postgresDialect: Dialect = {
  name: 'postgres',
  failsForGood: true,
  // A server may acknowledge before it syncs (`synchronous_commit=off`); this transaction must not.
  begin: async (connection) => {
    await sql`begin`.execute(connection);
    await sql`select set_config('synchronous_commit', 'on', true) where current_setting('synchronous_commit') = 'off'`.execute(
      connection,
    );
  },
  beginSnapshot: async (connection) =>
    void (await sql`begin isolation level repeatable read read only`.execute(connection)),
  lockRows: async (connection, rowIds) => {
    if (rowIds.length === 0) return;
    const ids = [...new Set(rowIds)];
    await connection
      .selectFrom('row_heads')
      .select('row_id')
      .where('row_id', 'in', ids)
      .orderBy('row_id')
      .forUpdate()
      .execute();
  },
  lockHead: async (connection) => {
    await connection.selectFrom('ledger_head').select('one').forUpdate().execute();
  },
  purge: async (db) => void (await sql`vacuum personal_keys, entry_sides, entry_tokens`.execute(db)),
  ddl: (statement) => statement.replaceAll(/\bTEXT\b/g, 'TEXT COLLATE "C"'),
};
