import { CompiledQuery, type Kysely } from 'kysely';
import type { Dialect } from './dialect.ts';
import { run } from './run.ts';
import type { Database } from './schema.ts';
import { CommitDoubtful, isStoreFault, Overloaded, StoreUnavailable } from './store-fault.ts';

const COMMIT = CompiledQuery.raw('commit');
const ROLLBACK = CompiledQuery.raw('rollback');

/** Pieces of work that may wait; the next caller is told to come back. */
const MAX_WAITING = 10_000;

/**
 * The one writing connection. Its work runs one piece after another: this is the lock that commits and lease grants
 * share (DESIGN §5). SQLite's commits block the event loop, which is why no verifier lives in this process.
 */
export class Writer {
  readonly #db: Kysely<Database>;
  readonly #dialect: Dialect;
  readonly #beforeCommit: () => void;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** @param beforeCommit called right ahead of each COMMIT, in the same step where that is made at once */
  constructor(db: Kysely<Database>, dialect: Dialect, beforeCommit: () => void = () => {}) {
    this.#db = db;
    this.#dialect = dialect;
    this.#beforeCommit = beforeCommit;
  }

  /** Pieces of work not yet done. */
  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Runs `work` alone.
   * @throws Overloaded when too much is waiting.
   */
  alone<T>(work: () => Promise<T>): Promise<T> {
    if (this.#waiting >= MAX_WAITING) return Promise.reject(new Overloaded('too much is waiting to be written'));
    this.#waiting++;
    const result = this.#last.then(work);
    this.#last = result.then(
      () => this.#waiting--,
      () => this.#waiting--,
    );
    return result;
  }

  /**
   * Runs `work` in one transaction on one connection; call it from within {@link alone} only.
   * @throws CommitDoubtful when COMMIT failed; StoreUnavailable for other faults of the store.
   */
  async transaction<T>(work: (connection: Kysely<Database>) => Promise<T>): Promise<T> {
    try {
      return await this.#db.connection().execute((connection) => this.#inTransaction(connection, work));
    } catch (error) {
      if (error instanceof StoreUnavailable || !isStoreFault(error)) throw error;
      throw new StoreUnavailable('the store cannot be used', { cause: error });
    }
  }

  async #inTransaction<T>(
    connection: Kysely<Database>,
    work: (connection: Kysely<Database>) => Promise<T>,
  ): Promise<T> {
    await this.#dialect.begin(connection);
    let result: T;
    try {
      result = await work(connection);
    } catch (error) {
      await rollback(connection);
      throw error;
    }
    try {
      this.#beforeCommit();
      await run(connection, COMMIT);
    } catch (error) {
      await rollback(connection);
      throw new CommitDoubtful('the outcome of a commit is unknown', { cause: error });
    }
    return result;
  }

  /** Takes what was deleted out of logs and free pages too, as far as the database can. */
  purge(): Promise<void> {
    return this.alone(async () => {
      this.#beforeCommit();
      await this.#dialect.purge(this.#db);
    });
  }

  /** Resolves when nothing is waiting. */
  async idle(): Promise<void> {
    await this.#last;
  }
}

/** What made it necessary is what the caller hears of. */
async function rollback(connection: Kysely<Database>): Promise<void> {
  try {
    await run(connection, ROLLBACK);
  } catch {}
}
