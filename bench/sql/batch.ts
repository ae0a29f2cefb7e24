import type { CallTrace, Executed } from './trace.ts';

/** The statements of several calls as one transaction, in the order in which a group commit makes them. */
export interface Batch {
  /** Read before the transaction, on the reading connection. */
  readonly outside: readonly Executed[];
  readonly inside: readonly Executed[];
}

const RELEASE = /^release/i;
const INSERT_VALUES = /^(insert into .* values )(\([?, ]+\))(.*)$/is;

/** Puts the calls into one batch: each one's own statements, then, once for all, what the ledger appends. */
export function batchOf(calls: readonly CallTrace[]): Batch {
  const own = calls.flatMap(({ inside }) => inside.slice(0, endOfChange(inside)));
  const appends = calls.map(({ inside }) => inside.slice(endOfChange(inside)));
  const first = appends[0] ?? [];
  const together = first.map((_, i) => merge(appends.map((append) => append[i] as Executed)));
  return { outside: calls.flatMap(({ outside }) => outside), inside: [...own, ...together] };
}

/** What follows the savepoint's release is the group's, not the change's. */
function endOfChange(inside: readonly Executed[]): number {
  return inside.findLastIndex(({ sql }) => RELEASE.test(sql)) + 1;
}

/** Inserts become one with many rows; of reads and updates of the head the last stands for all. */
function merge(same: readonly Executed[]): Executed {
  const last = same.at(-1) as Executed;
  const rows = same.map(({ sql, parameters }) => ({ found: rowsOf(sql), parameters }));
  const found = rows[0]?.found;
  if (found === null || found === undefined) return last;
  const count = rows.reduce((sum, row) => sum + (row.found?.rows ?? 0), 0);
  const values = Array.from({ length: count }, () => found.placeholders).join(', ');
  return { sql: `${found.head}${values}${found.tail}`, parameters: rows.flatMap(({ parameters }) => parameters) };
}

function rowsOf(sql: string): { head: string; placeholders: string; tail: string; rows: number } | null {
  const start = INSERT_VALUES.exec(sql);
  if (start === null) return null;
  const [, head, placeholders, rest] = start as unknown as [string, string, string, string];
  let [rows, tail] = [1, rest];
  while (tail.startsWith(`, ${placeholders}`)) {
    rows++;
    tail = tail.slice(placeholders.length + 2);
  }
  return { head, placeholders, tail, rows };
}
