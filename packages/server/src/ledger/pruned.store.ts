import { appendNodes, EMPTY_FRONTIER, type Frontier, HASH_BYTES, perfectRoot } from '@keyhold/protocol/log/merkle';
import { TILE_WIDTH, tileHashes } from '@keyhold/protocol/log/tile';
import { decodeLeaf, type Leaf } from '@keyhold/protocol/leaf';
import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import { leavesBetween, oldestEntry } from './entries.store.ts';
import { edgeOf } from './entry-times.store.ts';
import { sequenceOfToken } from './side.ts';
import { growTree, sha256 } from './tree.ts';

type Db = Kysely<Database>;

export const PRUNED_ACTION = 'log.pruned';
const CODE = /^up-to-(\d{1,16})$/;

/** What the entry says that gave most entries up. */
export interface PrunedUpTo {
  /** Entries from the first on; 0 where there is no such entry. */
  readonly upTo: number;
  /** Of the entry that says so; 0 where there is none. */
  readonly sequence: number;
}

/** Each gives more up than the one before; of two at once the smaller may once have come last. */
const NEWEST_LOOKED_AT = 100;

/** How many entries were given up. Following the chain shows whether the entry that says so is one of the log. */
export async function prunedUpTo(db: Db): Promise<PrunedUpTo> {
  const rows = await db
    .selectFrom('entries')
    .select(['entries.sequence', 'entries.leaf'])
    .where('action', '=', PRUNED_ACTION)
    .where('entries.sequence', '<=', ({ selectFrom }) => selectFrom('ledger_head').select('sequence'))
    .orderBy('entries.sequence', 'desc')
    .limit(NEWEST_LOOKED_AT)
    .execute();
  let most: PrunedUpTo = { upTo: 0, sequence: 0 };
  for (const { leaf, sequence } of rows) {
    const upTo = prunedBy(decodeLeaf(Buffer.from(leaf)), sequence) ?? 0;
    if (upTo > most.upTo) most = { upTo, sequence };
  }
  return most;
}

/** What a leaf gives up that stands at `sequence`; null where it gives nothing up. */
export function prunedBy({ action, sequence, code }: Leaf, at: number): number | null {
  const upTo = Number(CODE.exec(code ?? '')?.[1] ?? Number.NaN);
  const isWhole = Number.isSafeInteger(upTo) && upTo % TILE_WIDTH === 0 && upTo < at;
  return action === PRUNED_ACTION && sequence === at && isWhole ? upTo : null;
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
    await new Promise(setImmediate);
    for (const [i, { number, hashes }] of rows.entries()) {
      const tile = wholeTile(hashes);
      if (Number(number) !== next + i || tile === null) return null;
      tree = appendNodes(sha256, tree, [perfectRoot(sha256, tile)], () => TILE_WIDTH);
    }
    if (tree.size < Math.min(size, (next + TILES_PER_READ) * TILE_WIDTH)) return null;
  }
  return tree;
}

/** Null where it is not as long as a tile is. */
function wholeTile(hashes: string): Uint8Array[] | null {
  const bytes = Buffer.from(hashes, 'hex');
  return bytes.length === TILE_WIDTH * HASH_BYTES ? tileHashes(bytes) : null;
}

const ENTRIES_PER_READ = 1_000;

/**
 * The tree of the first `size` entries: from what was kept of those that were given up, and from the others themselves.
 * @returns null where something of it is missing
 */
export async function treeAt(db: Db, size: number): Promise<Frontier | null> {
  const { upTo } = await prunedUpTo(db);
  const whole = Math.min(upTo, size - (size % TILE_WIDTH));
  let tree = await keptTree(db, whole);
  if (tree !== null && whole < Math.min(upTo, size)) {
    const tile = await db
      .selectFrom('log_tiles')
      .select('hashes')
      .where('level', '=', 0)
      .where('number', '=', whole / TILE_WIDTH)
      .executeTakeFirst();
    const hashes = wholeTile(tile?.hashes ?? '');
    if (hashes === null) return null;
    tree = appendNodes(sha256, tree, hashes.slice(0, size - whole), () => 1);
  }
  while (tree !== null && tree.size < size) {
    const page = await leavesBetween(db, tree.size, Math.min(size, tree.size + ENTRIES_PER_READ));
    const [first, last] = [page[0], page.at(-1)];
    // A long log holds nobody up.
    await new Promise(setImmediate);
    if (first?.sequence !== tree.size + 1 || last?.sequence !== tree.size + page.length) return null;
    tree = growTree(
      tree,
      page.map(({ leaf }) => leaf),
    );
  }
  return tree;
}

/** How many of the tiles are there that hold the hashes of the first `size` entries. */
export async function countKeptTiles(db: Db, size: number): Promise<number> {
  const { kept } = await db
    .selectFrom('log_tiles')
    .select(({ fn }) => fn.countAll().as('kept'))
    .where('level', '=', 0)
    .where('number', '<', size / TILE_WIDTH)
    .executeTakeFirstOrThrow();
  return Number(kept);
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

/**
 * The last entry before which everything happened before `beforeMs`; clocks may have gone back. What says that it
 * happens after `nowMs` was entered while a clock was ahead, and is as old as what follows it.
 */
export async function lastBefore(db: Db, beforeMs: number, nowMs: number): Promise<number> {
  const last = (await edgeOf(db, 'last', { untilMs: beforeMs - 1 })) ?? 0;
  const young = await edgeOf(db, 'first', { sinceMs: beforeMs, untilMs: nowMs });
  return young === null ? last : Math.min(last, young - 1);
}

/** Whether each entry since `sinceMs`, epoch milliseconds, is still there, so that one that is not found never was. */
export async function reachesBackTo(db: Db, sinceMs: number): Promise<boolean> {
  const oldest = await oldestEntry(db);
  return oldest !== undefined && (oldest.sequence === 1 || oldest.at <= sinceMs);
}

/** Whether something is left of the first `upTo` entries. */
export async function hasEntryUpTo(db: Db, upTo: number): Promise<boolean> {
  const row = await db
    .selectFrom('entries')
    .select('sequence')
    .where('sequence', '<=', upTo)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
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

const TOKENS_PER_READ = 5_000;

/** Deletes what sides up to `upTo` were found by, of the tokens beyond `after`; the last that was looked at, or null. */
export async function deletePrunedTokens(db: Db, upTo: number, after: string): Promise<string | null> {
  const rows = await db
    .selectFrom('entry_tokens')
    .select('id')
    .where('id', '>', after)
    .orderBy('id')
    .limit(TOKENS_PER_READ)
    .execute();
  const gone = rows.filter(({ id }) => sequenceOfToken(id) <= upTo).map(({ id }) => id);
  for (let i = 0; i < gone.length; i += 500) {
    await db
      .deleteFrom('entry_tokens')
      .where('id', 'in', gone.slice(i, i + 500))
      .execute();
  }
  return rows.length < TOKENS_PER_READ ? null : (rows.at(-1)?.id ?? null);
}
