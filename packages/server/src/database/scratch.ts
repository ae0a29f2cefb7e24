import type { Kysely } from 'kysely';
import type { ScratchTables } from './scratch-tables.ts';
import type { Store } from './store.ts';

/** Writes what is no fact: usage, leases, counters. Its type reaches only the scratch tables. */
export class Scratch {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Takes what was deleted out of logs and free pages too, as far as the database can. */
  purge(): Promise<void> {
    return this.#store.writer.purge();
  }

  /** Runs `work` in a transaction of its own, between group commits. */
  write<T>(work: (tables: Kysely<ScratchTables>) => Promise<T>): Promise<T> {
    const { writer } = this.#store;
    return writer.alone(() => writer.transaction((connection) => work(connection as unknown as Kysely<ScratchTables>)));
  }
}
