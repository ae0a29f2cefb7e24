import { hash } from 'node:crypto';
import { type Leaf, type RowChange, writeLeaf } from '@keyhold/protocol/leaf';
import type { Frontier } from '@keyhold/protocol/log/merkle';
import { type Kysely, sql } from 'kysely';
import { compiledOnce } from '../database/compiled.ts';
import { run } from '../database/run.ts';
import type { Database } from '../database/schema.ts';
import type { EntryDraft } from './entry.ts';
import { type PreparedSide, tokenId } from './side.ts';
import { growTree, writeTree } from './tree.ts';

/** Where the ledger ends. */
export interface Head {
  readonly installation: string;
  readonly epoch: number;
  readonly sequence: number;
  /** SHA-256 of the last leaf; null while there is none. */
  readonly hash: string | null;
  /** Over all entries; of as many leaves as there are entries. */
  readonly tree: Frontier;
}

/** An entry whose place in the chain is not known yet. */
export interface UnchainedEntry {
  readonly id: string;
  readonly atMs: number;
  readonly draft: EntryDraft;
  readonly changes: readonly RowChange[];
  readonly side: PreparedSide | null;
}

/** A row of `entries` with what is to be kept beside it. */
export interface ChainedEntry {
  readonly sequence: number;
  readonly id: string;
  readonly at: number;
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
  readonly leaf: string;
  readonly hash: string;
  readonly side: PreparedSide | null;
}

/** Links entries behind `head`, in order. Pure but for nothing: the leaf's bytes are settled here, forever. */
export function chainEntries(head: Head, entries: readonly UnchainedEntry[]): ChainedEntry[] {
  let { sequence, hash: previous } = head;
  return entries.map((entry) => {
    sequence++;
    const chained = chainEntry(head.installation, sequence, previous, entry);
    previous = chained.hash;
    return chained;
  });
}

function chainEntry(
  installation: string,
  sequence: number,
  previous: string | null,
  { id, atMs, draft, changes, side }: UnchainedEntry,
): ChainedEntry {
  const { actor, action, subject } = draft;
  // In the order of canonical JSON, which is then quicker to write.
  const leaf: Leaf = {
    action,
    actor,
    at: new Date(atMs).toISOString(),
    changes,
    ...(draft.code === undefined ? {} : { code: draft.code }),
    ...(draft.environment === undefined ? {} : { environment: draft.environment }),
    id,
    installation,
    previous,
    ...(draft.project === undefined ? {} : { project: draft.project }),
    sequence,
    side: side?.digest ?? null,
    subject,
    v: 1,
  };
  const text = writeLeaf(leaf);
  return {
    sequence,
    id,
    at: atMs,
    actor,
    action,
    subject,
    leaf: text,
    hash: hash('sha256', text, 'hex'),
    side,
  };
}

/** Writes entries, side rows, the newest digest of every changed row, and the new head. */
export async function appendEntries(
  db: Kysely<Database>,
  head: Head,
  entries: readonly ChainedEntry[],
  heads: ReadonlyMap<string, { digest: string | null; sequence: number }>,
): Promise<Head> {
  await insertRows(
    db,
    'entries',
    entries.map(({ side: _, ...row }) => row),
    '',
  );
  const sides = entries.flatMap(({ sequence, side }) => (side?.row == null ? [] : [{ sequence, ...side.row }]));
  await insertRows(db, 'entry_sides', sides, '');
  const tokens = entries.flatMap(({ sequence, side }) =>
    (side?.tokens ?? []).map((token) => ({ id: tokenId(token, sequence) })),
  );
  await insertRows(db, 'entry_tokens', tokens, '');
  const rows = [...heads].map(([row_id, { digest, sequence }]) => ({ row_id, sequence, digest }));
  const replace = 'on conflict (row_id) do update set sequence = excluded.sequence, digest = excluded.digest';
  await insertRows(db, 'row_heads', rows, replace);
  const last = entries.at(-1) as ChainedEntry;
  const tree = growTree(
    head.tree,
    entries.map(({ leaf }) => leaf),
  );
  await db
    .updateTable('ledger_head')
    .set({ sequence: last.sequence, hash: last.hash, tree: writeTree(tree) })
    .execute();
  return { ...head, sequence: last.sequence, hash: last.hash, tree };
}

/** Rows of one INSERT, at most. */
const MOST_ROWS = 64;

/**
 * Inserts rows in runs of a power of two, so that there are few statements to prepare, however large a group is.
 * INVARIANT: all rows of one call have the same columns in the same order.
 */
async function insertRows(
  db: Kysely<Database>,
  table: 'entries' | 'entry_sides' | 'entry_tokens' | 'row_heads',
  rows: readonly Readonly<Record<string, unknown>>[],
  conflict: string,
): Promise<void> {
  for (let i = 0, count = MOST_ROWS; i < rows.length; i += count) {
    while (count > rows.length - i) count /= 2;
    const part = rows.slice(i, i + count);
    const values = part.flatMap((row) => Object.values(row));
    const insert = compiledOnce(db, `insert ${count} ${table}`, values, () => {
      const columns = Object.keys(part[0] as object);
      const tuples = part.map((row) => sql`(${sql.join(Object.values(row))})`);
      return sql`insert into ${sql.table(table)} (${sql.join(columns.map((name) => sql.ref(name)))})
        values ${sql.join(tuples)} ${sql.raw(conflict)}`.compile(db);
    });
    await run(db, insert);
  }
}
