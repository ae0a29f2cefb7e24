import { hash } from 'node:crypto';
import type { Leaf, RowChange } from '@keyhold/protocol/leaf';
import { type CompiledQuery, type Kysely, sql } from 'kysely';
import { compiledOnce } from '../database/compiled.ts';
import { run } from '../database/run.ts';
import type { Database, FactTable, FactTables } from '../database/schema.ts';
import { digestOfRead, rowDigest } from './row-digest.ts';

/** A stored row is not the one that the ledger recorded: somebody wrote past the ledger. */
export class TamperedRow extends Error {
  override readonly name = 'TamperedRow';
  readonly rowId: string;

  constructor(rowId: string) {
    super(`the stored row ${rowId} is not the one that the ledger recorded`);
    this.rowId = rowId;
  }
}

/** A row as it stands after a change, for whoever follows the ledger. */
export type ChangedRow = { [T in FactTable]: { readonly table: T; readonly row: FactTables[T] } }[FactTable];

/** Each takes about 230 bytes of a leaf, of which there are 16 KiB. */
export const MAX_CHANGED_ROWS = 60;

type WithHead<Row> = Row & { readonly head_digest: string | null };

/**
 * The facts within one change: reads what is there, checks it against the ledger, writes, and notes every digest.
 * INVARIANT: nothing else inserts or updates a fact table, so every change has its entry.
 */
export class Facts {
  /** For reading only; sees this transaction's own changes. */
  readonly db: Kysely<Database>;
  readonly changes: RowChange[] = [];
  readonly changed: ChangedRow[] = [];
  /** Ids of rows that are gone from now on. */
  readonly removed: string[] = [];
  /** Ids of rows that were found tampered with and overwritten. */
  readonly tampered: string[] = [];
  /** Ids of rows that were looked at, with or without a change. */
  readonly seen: string[] = [];
  readonly #heads: ReadonlyMap<string, string | null>;
  readonly #own = new Map<string, string | null>();
  readonly #newSalt: () => string;
  readonly #beforeWrite: () => unknown;

  /**
   * @param heads digests of rows that changes before this one in the same transaction wrote
   * @param beforeWrite called, and awaited, ahead of each row that is written
   */
  constructor(
    db: Kysely<Database>,
    heads: ReadonlyMap<string, string | null>,
    newSalt: () => string,
    beforeWrite: () => unknown,
  ) {
    this.db = db;
    this.#heads = heads;
    this.#newSalt = newSalt;
    this.#beforeWrite = beforeWrite;
  }

  /** Digests of rows that this change wrote. */
  get heads(): ReadonlyMap<string, string | null> {
    return this.#own;
  }

  /** How many more rows the entry of this change can name. */
  get room(): number {
    return MAX_CHANGED_ROWS - this.changes.length;
  }

  /**
   * The row with that id, checked.
   * @throws TamperedRow when it, present or missing, is not what its last entry says.
   */
  async find<T extends FactTable>(table: T, id: string): Promise<FactTables[T] | undefined> {
    const { row, head } = await this.#load(table, id);
    if ((row === undefined ? null : digestOfRead(row)) !== head) throw new TamperedRow(id);
    return row;
  }

  /**
   * The row with that id, and whether it was tampered with, for whoever has to go on all the same: a taking-away for
   * good must always succeed. What somebody made look dead already is still alive in every replica, so who takes a
   * tampered row away has to `overwrite` it.
   */
  async examine<T extends FactTable>(
    table: T,
    id: string,
  ): Promise<{ readonly row: FactTables[T] | undefined; readonly tampered: boolean; readonly known: boolean }> {
    const { row, head } = await this.#load(table, id);
    const tampered = (row === undefined ? null : rowDigest(row)) !== head;
    if (tampered) this.tampered.push(id);
    return { row, tampered, known: head !== null };
  }

  async #load<T extends FactTable>(
    table: T,
    id: string,
  ): Promise<{ row: FactTables[T] | undefined; head: string | null }> {
    this.seen.push(id);
    const find = compiledOnce(this.db, `find ${table}`, [id], () =>
      sql`select t.*, h.digest as head_digest from row_heads h left join ${sql.table(table)} t on t.id = h.row_id
        where h.row_id = ${id}`.compile(this.db),
    );
    const [joined] = await run(this.db, find as CompiledQuery<WithHead<FactTables[T]>>);
    const known = this.#pending(id);
    if (joined === undefined) {
      // No head yet: either new in this group, or not there at all.
      return { row: await this.#loadBare(table, id), head: known ?? null };
    }
    const { head_digest, ...row } = joined;
    const present = (row as { id: string | null }).id !== null;
    return {
      row: present ? (row as unknown as FactTables[T]) : undefined,
      head: known === undefined ? head_digest : known,
    };
  }

  async #loadBare<T extends FactTable>(table: T, id: string): Promise<FactTables[T] | undefined> {
    const query = compiledOnce(this.db, `bare ${table}`, [id], () =>
      this.db
        .selectFrom(table as 'keys')
        .selectAll()
        .where('id', '=', '')
        .compile(),
    );
    return (await run(this.db, query as unknown as CompiledQuery<FactTables[T]>))[0];
  }

  async insert<T extends FactTable>(table: T, columns: Omit<FactTables[T], 'salt'>): Promise<FactTables[T]> {
    const row = inOrder(table, { ...columns, salt: this.#newSalt() } as unknown as FactTables[T]);
    await this.#beforeWrite();
    await run(this.db, insertion(this.db, table, row));
    this.#note(table, row, null);
    return row;
  }

  async update<T extends FactTable>(
    table: T,
    row: FactTables[T],
    patch: Partial<Omit<FactTables[T], 'id' | 'salt'>>,
  ): Promise<FactTables[T]> {
    const changed = { ...row, ...patch };
    const before = rowDigest(row);
    if (rowDigest(changed) === before) return row;
    await this.#beforeWrite();
    await this.db
      .updateTable(table as 'keys')
      .set(patch as never)
      .where('id', '=', row.id)
      .execute();
    this.#note(table, changed, before);
    return changed;
  }

  /** Like `update`, and an entry even when nothing seems to change: with new random bytes the digest is another. */
  async overwrite<T extends FactTable>(
    table: T,
    row: FactTables[T],
    patch: Partial<Omit<FactTables[T], 'id' | 'salt'>>,
  ): Promise<FactTables[T]> {
    // Replicas may hold it under another digest or in another place, so it is taken out by its id, and put back dead.
    this.changes.push({ id: row.id, before: rowDigest(row), after: null });
    this.removed.push(row.id);
    return await this.update(table, row, { ...patch, salt: this.#newSalt() } as typeof patch);
  }

  /**
   * Changes a row for the worse, also where it was tampered with. Undefined where none is, or one that the ledger never
   * knew: such a row opens nothing.
   */
  async takeAway<T extends FactTable>(
    table: T,
    id: string,
    patch: Partial<Omit<FactTables[T], 'id' | 'salt'>>,
  ): Promise<FactTables[T] | undefined> {
    const { row, tampered, known } = await this.examine(table, id);
    if (row === undefined || !known) return undefined;
    return await this[tampered ? 'overwrite' : 'update'](table, row, patch);
  }

  /** Deletes a row. Its digest stays, as none, so that putting it back is noticed. */
  async remove<T extends FactTable>(table: T, row: FactTables[T]): Promise<void> {
    await this.#beforeWrite();
    await this.db
      .deleteFrom(table as 'keys')
      .where('id', '=', row.id)
      .execute();
    this.changes.push({ id: row.id, before: rowDigest(row), after: null });
    this.#own.set(row.id, null);
  }

  /** Deletes a row, also where it was tampered with. False where none is. */
  async removeAnyway<T extends FactTable>(table: T, id: string): Promise<boolean> {
    const { row } = await this.examine(table, id);
    if (row !== undefined) await this.remove(table, row);
    return row !== undefined;
  }

  /** Says again what the ledger knows of a row, in an entry that stays: the one that says it is to be given up. */
  async carry(id: string): Promise<void> {
    const known = this.#pending(id);
    const digest = known === undefined ? await this.#entered(id) : known;
    this.changes.push({ id, before: digest, after: digest });
    this.#own.set(id, digest);
  }

  /**
   * The newest digest of a row as the entry says it that it lies in.
   * @throws TamperedRow where that entry says something else
   */
  async #entered(id: string): Promise<string | null> {
    const head = await this.db
      .selectFrom('row_heads')
      .innerJoin('entries', 'entries.sequence', 'row_heads.sequence')
      .select(['row_heads.digest', 'entries.leaf', 'entries.hash'])
      .where('row_id', '=', id)
      .executeTakeFirst();
    const isWhole = head !== undefined && hash('sha256', head.leaf, 'hex') === head.hash;
    const change = isWhole
      ? (JSON.parse(head.leaf) as Leaf).changes.findLast((changed) => changed.id === id)
      : undefined;
    if (change === undefined || change.after !== head?.digest) throw new TamperedRow(id);
    return change.after;
  }

  /** Digest of a row that this change, or one before it in its group, wrote; undefined where none did. */
  #pending(id: string): string | null | undefined {
    return this.#own.has(id) ? this.#own.get(id) : this.#heads.get(id);
  }

  /** Digest of a row as the ledger knows it now; null where there is none. */
  async headOf(id: string): Promise<string | null> {
    const known = this.#pending(id);
    if (known !== undefined) return known;
    const head = await this.db.selectFrom('row_heads').select('digest').where('row_id', '=', id).executeTakeFirst();
    return head?.digest ?? null;
  }

  /** Enters that a row is gone which somebody deleted past the ledger. */
  async withdraw(id: string): Promise<void> {
    this.changes.push({ id, before: await this.headOf(id), after: null });
    this.removed.push(id);
    this.#own.set(id, null);
  }

  #note<T extends FactTable>(table: T, row: FactTables[T], before: string | null): void {
    const after = rowDigest(row);
    const first = this.changes.findIndex(({ id, after }) => id === row.id && after !== null);
    if (first >= 0) this.changes[first] = { ...(this.changes[first] as RowChange), after };
    // What was taken out by its id comes back from nothing.
    else this.changes.push({ after, before: this.removed.includes(row.id) ? null : before, id: row.id });
    this.changed.push({ table, row } as unknown as ChangedRow);
    this.#own.set(row.id, after);
  }
}

/** Column names of each table in order. */
const orderedColumns = new Map<FactTable, readonly string[]>();

/**
 * The row with its columns in order, however whoever made it named them: a table then has one INSERT, and canonical
 * JSON, which its digest is of, nothing to sort.
 */
function inOrder<T extends FactTable>(table: T, row: FactTables[T]): FactTables[T] {
  let columns = orderedColumns.get(table);
  if (columns === undefined) orderedColumns.set(table, (columns = Object.keys(row).sort()));
  const ordered: Record<string, unknown> = {};
  for (const name of columns) ordered[name] = (row as unknown as Record<string, unknown>)[name];
  return ordered as unknown as FactTables[T];
}

function insertion<T extends FactTable>(db: Kysely<Database>, table: T, row: FactTables[T]): CompiledQuery<unknown> {
  return compiledOnce(
    db,
    `insert ${table}`,
    Object.values(row),
    () =>
      db
        .insertInto(table as 'keys')
        .values(row as never)
        .compile() as CompiledQuery<unknown>,
  );
}
