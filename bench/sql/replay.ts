import { copyFileSync, rmSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Batch } from './batch.ts';
import type { Executed } from './trace.ts';

/** Copies what is committed, also what lies in the write-ahead log still. */
export function copyDatabase(from: string, to: string): void {
  const database = new DatabaseSync(from);
  database.prepare('VACUUM INTO ?').run(to);
  database.close();
}

/** A database as it was before the recording, to execute the recorded statements on, synced like the shipped one. */
export class Replay implements Disposable {
  readonly #file: string;
  readonly #writer: DatabaseSync;
  readonly #reader: DatabaseSync;
  readonly #prepared = new Map<string, { statement: StatementSync; reads: boolean }>();

  /** @param original a database made by {@link copyDatabase}; it is copied to `file`. */
  constructor(original: string, file: string) {
    copyFileSync(original, file);
    this.#file = file;
    this.#writer = new DatabaseSync(file);
    // As `packages/server/src/database/sqlite.ts` sets them.
    this.#writer.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON');
    this.#reader = new DatabaseSync(file, { readOnly: true });
  }

  /** Prepares every statement beforehand: a running control plane has its own prepared long since. */
  prepare(batches: readonly Batch[]): void {
    for (const { outside, inside } of batches) {
      for (const { sql } of outside) this.#prepare(this.#reader, 'r', sql);
      for (const { sql } of [...inside, BEGIN, COMMIT]) this.#prepare(this.#writer, 'w', sql);
    }
  }

  run({ outside, inside }: Batch): void {
    for (const executed of outside) this.#execute('r', executed);
    this.commit(inside);
  }

  /** One durable transaction. */
  commit(inside: readonly Executed[]): void {
    this.#execute('w', BEGIN);
    for (const executed of inside) this.#execute('w', executed);
    this.#execute('w', COMMIT);
  }

  #prepare(database: DatabaseSync, space: 'r' | 'w', sql: string): void {
    if (this.#prepared.has(space + sql)) return;
    const statement = database.prepare(sql);
    this.#prepared.set(space + sql, { statement, reads: statement.columns().length > 0 });
  }

  #execute(space: 'r' | 'w', { sql, parameters }: Executed): void {
    const prepared = this.#prepared.get(space + sql);
    if (prepared === undefined) throw new Error(`not prepared: ${sql}`);
    if (prepared.reads) prepared.statement.all(...parameters);
    else prepared.statement.run(...parameters);
  }

  [Symbol.dispose](): void {
    this.#reader.close();
    this.#writer.close();
    for (const suffix of ['', '-wal', '-shm']) rmSync(this.#file + suffix, { force: true });
  }
}

const BEGIN: Executed = { sql: 'begin immediate', parameters: [] };
const COMMIT: Executed = { sql: 'commit', parameters: [] };
