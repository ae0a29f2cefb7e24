import { appendNodes, EMPTY_FRONTIER, foldNodes, type Frontier, HASH_BYTES } from '@keyhold/protocol/log/merkle';
import { TILE_WIDTH } from '@keyhold/protocol/log/tile';
import { type Kysely, sql } from 'kysely';
import type { Database } from '../database/schema.ts';
import { sha256 } from './tree.ts';

type Db = Kysely<Database>;

export const PRUNED_ACTION = 'log.pruned';
const CODE = /"code":"up-to-(\d{1,16})"/;

/** How many entries were given up, from the first on; the newest entry that says so counts. */
export async function prunedUpTo(db: Db): Promise<number> {
  const row = await db
    .selectFrom('entries')
    .select('leaf')
    .where('action', '=', PRUNED_ACTION)
    .orderBy('sequence', 'desc')
    .limit(1)
    .executeTakeFirst();
  return Number(CODE.exec(row?.leaf ?? '')?.[1] ?? 0);
}

const TILES_PER_READ = 64;

/**
 * The tree of the first entries from the tiles that were kept of them; `size` is a whole number of tiles.
 * @returns null where a tile is missing
 */
export async function keptTree(db: Db, size: number): Promise<Frontier | null> {
  let tree: Frontier = EMPTY_FRONTIER;
  const last = size / TILE_WIDTH - 1;
  for (let next = 0; next <= last; next += TILES_PER_READ) {
    const rows = await db
      .selectFrom('log_tiles')
      .select(['number', 'hashes'])
      .where('level', '=', 0)
      .where('number', '>=', next)
      .where('number', '<=', Math.min(last, next + TILES_PER_READ - 1))
      .orderBy('number')
      .execute();
    for (const [i, { number, hashes }] of rows.entries()) {
      if (Number(number) !== next + i) return null;
      tree = appendNodes(sha256, tree, [tileRoot(hashes)], () => TILE_WIDTH);
    }
    if (tree.size < Math.min(size, (next + TILES_PER_READ) * TILE_WIDTH)) return null;
  }
  return tree;
}

function tileRoot(hashes: string): Uint8Array {
  const bytes = Buffer.from(hashes, 'hex');
  let row: Uint8Array[] = Array.from({ length: TILE_WIDTH }, (_, i) =>
    bytes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES),
  );
  while (row.length > 1) {
    row = Array.from({ length: row.length / 2 }, (_, i) => foldNodes(sha256, row.slice(2 * i, 2 * i + 2)));
  }
  return row[0] as Uint8Array;
}

/** Rows whose newest digest lies in an entry up to `upTo`. */
export async function rowsUpTo(db: Db, upTo: number, limit: number): Promise<string[]> {
  const rows = await db
    .selectFrom('row_heads')
    .select('row_id')
    .where('sequence', '<=', upTo)
    .orderBy('row_id')
    .limit(limit)
    .execute();
  return rows.map(({ row_id }) => row_id);
}

/** The last entry before which everything happened before `beforeMs`; clocks may have gone back. */
export async function lastBefore(db: Db, beforeMs: number): Promise<number> {
  const { rows } = await sql<{ first: number | null; last: number | null }>`
    select (select min(sequence) from entries where at >= ${beforeMs}) as first, max(sequence) as last
    from entries`.execute(db);
  const { first, last } = rows[0] ?? { first: null, last: null };
  return first === null ? Number(last ?? 0) : Number(first) - 1;
}

/** Deletes up to `limit` entries that were given up, with their sides; how many there were. */
export async function deletePruned(db: Db, upTo: number, limit: number): Promise<number> {
  const rows = await db
    .selectFrom('entries')
    .select('sequence')
    .where('sequence', '<=', upTo)
    .orderBy('sequence')
    .limit(limit)
    .execute();
  const last = rows.at(-1)?.sequence;
  if (last === undefined) return 0;
  await db.deleteFrom('entry_sides').where('sequence', '<=', last).execute();
  await db.deleteFrom('entries').where('sequence', '<=', last).execute();
  return rows.length;
}

/** Deletes what sides up to `upTo` were found by. */
export async function deletePrunedTokens(db: Db, upTo: number): Promise<void> {
  // The sequence stands behind 32 digits and a dot, in a fixed width.
  await sql`delete from entry_tokens where substr(id, 34) <= ${String(upTo).padStart(16, '0')}`.execute(db);
}
