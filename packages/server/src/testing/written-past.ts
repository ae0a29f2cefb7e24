import assert from 'node:assert/strict';
import { rowDigest } from '../ledger/row-digest.ts';
import type { RawDatabase } from './raw-database.ts';

type Column = string | number | null;
export type RawRow = Readonly<Record<string, Column>> & { readonly id: string; readonly salt: string };

/** Rows as an intruder reads and writes them. */
export class WrittenPast {
  readonly #raw: RawDatabase;
  /** Copies so far: ids that were made one after another differ where copies are numbered. */
  #copies = 0;

  constructor(raw: RawDatabase) {
    this.#raw = raw;
  }

  async row(table: string, id: string): Promise<RawRow> {
    const [row] = await this.#raw.rows(`select * from ${table} where id = '${id}'`);
    assert.ok(row, `${table} has no ${id}`);
    return { ...row };
  }

  /** A plain edit: the ledger's digest of the row stays as it was. */
  async edit(table: string, id: string, columns: Readonly<Record<string, Column>>): Promise<void> {
    const set = Object.entries(columns).map(([name, value]) => `${name} = ${literal(value)}`);
    await this.#raw.run(`update ${table} set ${set.join(', ')} where id = '${id}'`);
  }

  /** Makes the newest digest fit the row, as who knows the ledger's tables could. */
  async mend(table: string, id: string): Promise<void> {
    const digest = rowDigest(await this.row(table, id));
    await this.#raw.run(`update row_heads set digest = '${digest}' where row_id = '${id}'`);
  }

  /** Puts copies of a row beside it, which the ledger knows to be something else. */
  async multiply(table: string, id: string, count: number, columns: Readonly<Record<string, Column>>): Promise<void> {
    const row = { ...(await this.row(table, id)), ...columns };
    const made = Array.from({ length: count }, () => {
      const number = `${this.#copies++}`.padStart(12, '0');
      return { ...row, ...{ id: id.replace(/.{12}$/, number), digest: `${id}${number}` } };
    });
    const values = made.map((one) => `(${Object.values(one).map(literal).join(', ')})`);
    await this.#raw.run(`insert into ${table} (${Object.keys(row).join(', ')}) values ${values.join(', ')}`);
    for (const { id: copy } of made)
      await this.#raw.run(
        `insert into row_heads (row_id, digest, sequence) select '${copy}', 'none', sequence from row_heads where row_id = '${id}'`,
      );
  }

  /** Writes the whole row back, and its digest with it. */
  async restore(table: string, row: RawRow): Promise<void> {
    await this.edit(table, row.id, row);
    await this.mend(table, row.id);
  }
}

function literal(value: Column): string {
  if (value === null) return 'null';
  return typeof value === 'number' ? `${value}` : `'${value.replaceAll("'", "''")}'`;
}
