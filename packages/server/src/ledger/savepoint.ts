import { CompiledQuery, type Kysely } from 'kysely';
import { run } from '../database/run.ts';
import type { Database } from '../database/schema.ts';

const SAVEPOINT = CompiledQuery.raw('savepoint change');
const RELEASE = CompiledQuery.raw('release savepoint change');
const UNDO = CompiledQuery.raw('rollback to savepoint change');

/** Where one change of a transaction began, so that it can be undone alone. Nothing to undo where it was never set. */
export class Savepoint {
  readonly #db: Kysely<Database>;
  #isSet = false;

  constructor(db: Kysely<Database>) {
    this.#db = db;
  }

  /** Before the change writes for the first time; again does nothing. */
  set(): unknown {
    if (this.#isSet) return undefined;
    this.#isSet = true;
    return run(this.#db, SAVEPOINT);
  }

  /** Keeps what was written since. */
  async release(): Promise<void> {
    if (!this.#isSet) return;
    await run(this.#db, RELEASE);
    this.#isSet = false;
  }

  /** Undoes what was written since. When this throws, the whole transaction is gone. */
  async undo(): Promise<void> {
    if (!this.#isSet) return;
    await run(this.#db, UNDO);
    await this.release();
  }
}
