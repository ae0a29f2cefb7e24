import { hash } from 'node:crypto';
import { canonicalJson } from '@keyhold/protocol/canonical-json';
import { encodeLeaf, type Leaf, type RowChange } from '@keyhold/protocol/leaf';
import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import type { EntryDraft } from './entry.ts';
import { saltedDigest } from './row-digest.ts';

/** Where the ledger ends. */
export interface Head {
  readonly installation: string;
  readonly epoch: number;
  readonly sequence: number;
  /** SHA-256 of the last leaf; null while there is none. */
  readonly hash: string | null;
}

/** An entry whose place in the chain is not known yet. */
export interface UnchainedEntry {
  readonly id: string;
  readonly atMs: number;
  readonly draft: EntryDraft;
  readonly changes: readonly RowChange[];
  readonly sideSalt: string;
}

/** A row of `entries` with its side row. */
export interface ChainedEntry {
  readonly sequence: number;
  readonly id: string;
  readonly at: number;
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
  readonly leaf: string;
  readonly hash: string;
  readonly side: { readonly salt: string; readonly body: string } | null;
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
  { id, atMs, draft, changes, sideSalt }: UnchainedEntry,
): ChainedEntry {
  const { actor, action, subject } = draft;
  const body = draft.side === undefined ? null : canonicalJson(draft.side);
  const leaf: Leaf = {
    v: 1,
    installation,
    sequence,
    id,
    at: new Date(atMs).toISOString(),
    previous,
    actor,
    action,
    subject,
    ...(draft.project === undefined ? {} : { project: draft.project }),
    ...(draft.environment === undefined ? {} : { environment: draft.environment }),
    ...(draft.code === undefined ? {} : { code: draft.code }),
    changes,
    side: body === null ? null : saltedDigest(sideSalt, body),
  };
  const bytes = encodeLeaf(leaf);
  return {
    sequence,
    id,
    at: atMs,
    actor,
    action,
    subject,
    leaf: Buffer.from(bytes).toString('utf8'),
    hash: hash('sha256', bytes, 'hex'),
    side: body === null ? null : { salt: sideSalt, body },
  };
}

/** Rows of one INSERT; SQLite takes at most 32,766 parameters. */
const ROWS_PER_INSERT = 500;

/** Writes entries, side rows, the newest digest of every changed row, and the new head. */
export async function appendEntries(
  db: Kysely<Database>,
  head: Head,
  entries: readonly ChainedEntry[],
  heads: ReadonlyMap<string, { digest: string | null; sequence: number }>,
): Promise<Head> {
  for (const part of parts(entries)) {
    await db
      .insertInto('entries')
      .values(part.map(({ side: _, ...row }) => row))
      .execute();
  }
  const sides = entries.flatMap(({ sequence, side }) => (side === null ? [] : [{ sequence, ...side }]));
  for (const part of parts(sides)) await db.insertInto('entry_sides').values(part).execute();
  const rows = [...heads].map(([row_id, { digest, sequence }]) => ({ row_id, digest, sequence }));
  for (const part of parts(rows)) {
    await db
      .insertInto('row_heads')
      .values(part)
      .onConflict((conflict) =>
        conflict.column('row_id').doUpdateSet((eb) => ({
          sequence: eb.ref('excluded.sequence'),
          digest: eb.ref('excluded.digest'),
        })),
      )
      .execute();
  }
  const last = entries.at(-1) as ChainedEntry;
  await db.updateTable('ledger_head').set({ sequence: last.sequence, hash: last.hash }).execute();
  return { ...head, sequence: last.sequence, hash: last.hash };
}

function* parts<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let i = 0; i < items.length; i += ROWS_PER_INSERT) yield items.slice(i, i + ROWS_PER_INSERT);
}
