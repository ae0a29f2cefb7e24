import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';

const TABLES = ['entries', 'entry_sides'] as const;

/** The rows of a ledger's entries, inserted again in groups, each a transaction that is synced like the shipped one. */
export class RawCommits implements Disposable {
  readonly #database: DatabaseSync;
  readonly #rows: readonly (readonly Readonly<Record<string, SQLInputValue>>[])[];
  readonly #groupSize: number;
  #groups: readonly (readonly SQLInputValue[])[][] = [];
  #times = 0;
  readonly #inserts: readonly StatementSync[];
  readonly #head: StatementSync;

  /** @param file a database that a ledger has written; its rows are taken out of it. */
  constructor(file: string, groupSize: number) {
    this.#database = new DatabaseSync(file);
    // As `packages/server/src/database/sqlite.ts` sets them.
    this.#database.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON',
    );
    this.#groupSize = groupSize;
    const rows = TABLES.map(
      (table) =>
        this.#database.prepare(`select * from ${table} order by sequence`).all() as Record<string, SQLInputValue>[],
    );
    this.#rows = rows;
    this.#inserts = TABLES.map((table, i) => {
      const columns = Object.keys(rows[i]?.[0] as object);
      const tuple = `(${columns.map(() => '?').join(', ')})`;
      const tuples = Array.from({ length: groupSize }, () => tuple).join(', ');
      return this.#database.prepare(`insert into ${table} (${columns.join(', ')}) values ${tuples}`);
    });
    this.#head = this.#database.prepare('update ledger_head set sequence = sequence + 1');
  }

  /** Makes the rows of the next run: the same, further on, so that the tables grow as the ledger's do. */
  prepare(): void {
    this.#times++;
    const count = this.#rows[0]?.length ?? 0;
    const next = (row: Readonly<Record<string, SQLInputValue>>): SQLInputValue[] => {
      const sequence = (row['sequence'] as number) + this.#times * count;
      return Object.values({ ...row, sequence, ...('id' in row ? { id: `entry_${idOf(sequence)}` } : {}) });
    };
    this.#groups = Array.from({ length: Math.floor(count / this.#groupSize) }, (_, i) =>
      this.#rows.map((all) => all.slice(i * this.#groupSize, (i + 1) * this.#groupSize).flatMap(next)),
    );
  }

  /** @returns how many entries were inserted */
  run(): number {
    let count = 0;
    for (const group of this.#groups) {
      this.#database.exec('begin immediate');
      for (const [i, values] of group.entries()) this.#inserts[i]?.run(...values);
      this.#head.run();
      this.#database.exec('commit');
      count += this.#groupSize;
    }
    return count;
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

/** As long as a real one, and as sortable. */
function idOf(sequence: number): string {
  return String(sequence).padStart(36, '0');
}
