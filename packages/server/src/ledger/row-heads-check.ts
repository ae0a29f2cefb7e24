import { decodeLeaf, type Leaf, type RowChange } from '@keyhold/protocol/leaf';
import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';

/** The first row whose newest digest is not the one in the ledger, or null. */
export interface HeadFault {
  readonly sequence: number;
  readonly detail: string;
}

type RowHead = Database['row_heads'];

const ROWS_PER_READ = 500;

/**
 * Whether each row that these leaves change has a newest digest, from them or from a later one. Together with
 * {@link checkRowHeads} this says that every row's newest digest is the one of the last leaf that changed it, with no
 * more in memory than a page.
 */
export async function checkChanged(db: Kysely<Database>, leaves: readonly Leaf[]): Promise<HeadFault | null> {
  const newest = new Map<string, number>();
  for (const { sequence, changes } of leaves) for (const { id } of changes) newest.set(id, sequence);
  const ids = [...newest.keys()];
  for (let i = 0; i < ids.length; i += ROWS_PER_READ) {
    const wanted = ids.slice(i, i + ROWS_PER_READ);
    const rows = await db
      .selectFrom('row_heads')
      .select(['row_id', 'sequence'])
      .where('row_id', 'in', wanted)
      .execute();
    const found = new Map(rows.map(({ row_id, sequence }) => [row_id, sequence]));
    for (const id of wanted) {
      const sequence = newest.get(id) as number;
      const head = found.get(id);
      if (head === undefined) return { sequence, detail: 'a row that the ledger knows has no newest digest' };
      if (head < sequence) return { sequence: head, detail: notInLedger(id) };
    }
  }
  return null;
}

/** Whether each row's newest digest is in the leaf that it names. */
export async function checkRowHeads(db: Kysely<Database>): Promise<HeadFault | null> {
  for (let after = ''; ; ) {
    const page = await db
      .selectFrom('row_heads')
      .leftJoin('entries', 'entries.sequence', 'row_heads.sequence')
      .select(['row_heads.row_id', 'row_heads.sequence', 'row_heads.digest', 'entries.leaf'])
      .where('row_heads.row_id', '>', after)
      .orderBy('row_heads.row_id')
      .limit(ROWS_PER_READ)
      .execute();
    for (const { leaf, ...head } of page) {
      // INVARIANT: also of rows that were touched meanwhile: their entry is there when their head is. What stands
      // beyond every entry was put there.
      const change = leaf === null ? undefined : lastChange(leaf, head);
      if (change === undefined || change.after !== head.digest) {
        return { sequence: head.sequence, detail: notInLedger(head.row_id) };
      }
    }
    if (page.length < ROWS_PER_READ) return null;
    after = (page.at(-1) as RowHead).row_id;
    await new Promise(setImmediate);
  }
}

function lastChange(leaf: string, { row_id }: RowHead): RowChange | undefined {
  return decodeLeaf(Buffer.from(leaf)).changes.findLast(({ id }) => id === row_id);
}

function notInLedger(rowId: string): string {
  return `the newest digest of ${rowId} is not the one in the ledger`;
}
