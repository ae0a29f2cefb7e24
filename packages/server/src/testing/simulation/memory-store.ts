import { DatabaseSync } from 'node:sqlite';
import { Kysely } from 'kysely';
import { sqliteDialect } from '../../database/dialect.ts';
import { migrate } from '../../database/migrate.ts';
import type { Database } from '../../database/schema.ts';
import { dialectOver } from '../../database/sqlite.ts';
import type { Store } from '../../database/store.ts';
import { CommitDoubtful } from '../../database/store-fault.ts';
import { Writer } from '../../database/writer.ts';
import type { Dice } from './dice.ts';

/** How often a commit fails: before it took effect, or after. */
export interface CommitFaults {
  probability: number;
}

/** A database in memory that outlives the control planes simulated on it; emptied between schedules. */
export class MemoryDisk {
  readonly #database = new DatabaseSync(':memory:');
  readonly #kysely: Kysely<Database>;

  private constructor() {
    this.#kysely = new Kysely<Database>({ dialect: dialectOver(this.#database) });
  }

  static async create(): Promise<MemoryDisk> {
    const disk = new MemoryDisk();
    await migrate(disk.#kysely, sqliteDialect);
    return disk;
  }

  clear(): void {
    const tables = this.#database.prepare("select name from sqlite_master where type = 'table'").all();
    this.#database.exec('pragma foreign_keys = off');
    for (const { name } of tables) if (name !== 'schema_version') this.#database.exec(`delete from ${String(name)}`);
  }

  forgetLeases(): void {
    this.#database.exec('delete from lease_holders');
  }

  /** A store as a control plane opens it. One connection serves all, so snapshots wait for their turn. */
  open(dice: Dice, faults: CommitFaults): Store {
    const writer = new FaultyWriter(this.#kysely, dice, faults);
    return {
      dialect: sqliteDialect,
      writer,
      reader: this.#kysely,
      readSnapshot: (read) => writer.alone(() => writer.reading(read)),
      [Symbol.asyncDispose]: () => writer.idle(),
    };
  }
}

/** The shipped writer over a disk whose commits sometimes fail, or succeed without saying so. */
class FaultyWriter extends Writer {
  readonly #kysely: Kysely<Database>;
  readonly #dice: Dice;
  readonly #faults: CommitFaults;

  constructor(kysely: Kysely<Database>, dice: Dice, faults: CommitFaults) {
    super(kysely, sqliteDialect);
    this.#kysely = kysely;
    this.#dice = dice;
    this.#faults = faults;
  }

  override async transaction<T>(work: (connection: Kysely<Database>) => Promise<T>): Promise<T> {
    if (!this.#dice.chance(this.#faults.probability)) return await super.transaction(work);
    const committed = this.#dice.chance(0.5);
    await super
      .transaction(async (connection) => {
        await work(connection);
        if (!committed) throw new CommitDoubtful('simulated: it was not committed');
      })
      .catch((error: unknown) => {
        if (!(error instanceof CommitDoubtful)) throw error;
      });
    throw new CommitDoubtful(`simulated: it was ${committed ? '' : 'not '}committed`);
  }

  reading<T>(read: (connection: Kysely<Database>) => Promise<T>): Promise<T> {
    return read(this.#kysely);
  }
}
