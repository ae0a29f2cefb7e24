import type { DatabaseSync } from 'node:sqlite';

/**
 * Reads of one turn of the event loop share a transaction: taking SQLite's locks and giving them back costs more than
 * a small read.
 * INVARIANT: it ends before whatever the writer commits, so that what is read is what was committed last, and no old
 * state keeps the write-ahead log from being folded back.
 */
export class SharedRead {
  readonly #database: DatabaseSync;
  #begun = false;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  begin(): void {
    if (this.#begun) return;
    this.#database.exec('begin');
    this.#begun = true;
    setImmediate(() => this.end());
  }

  end(): void {
    if (!this.#begun) return;
    this.#begun = false;
    // A fault may have ended it already.
    if (this.#database.isOpen && this.#database.isTransaction) this.#database.exec('rollback');
  }
}
