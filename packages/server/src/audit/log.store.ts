import type { Kysely } from 'kysely';
import { compiledOnce } from '../database/compiled.ts';
import { run } from '../database/run.ts';
import type { Database } from '../database/schema.ts';
import type { ScratchTables } from '../database/scratch-tables.ts';
import type { KeptTile } from './full-tile.ts';

type Db = Kysely<Database>;

/** Ids of the keys of a name. */
export async function listLogKeys(db: Db, origin: string): Promise<string[]> {
  const rows = await db.selectFrom('log_keys').select('id').where('origin', '=', origin).orderBy('id').execute();
  return rows.map(({ id }) => id);
}

export type CheckpointKind = ScratchTables['log_checkpoints']['kind'];

/** A checkpoint that was kept, as the signed note that it is. */
export async function readCheckpointNote(db: Db, kind: CheckpointKind): Promise<string | null> {
  const row = await db.selectFrom('log_checkpoints').select('note').where('kind', '=', kind).executeTakeFirst();
  return row?.note ?? null;
}

/** INVARIANT: a checkpoint never takes the place of one of a larger tree. */
export async function keepCheckpoint(
  tables: Kysely<ScratchTables> | Db,
  kind: CheckpointKind,
  size: number,
  note: string,
): Promise<void> {
  await (tables as Db)
    .insertInto('log_checkpoints')
    .values({ kind, size, note })
    .onConflict((conflict) =>
      conflict.column('kind').doUpdateSet({ size, note }).where('log_checkpoints.size', '<=', size),
    )
    .execute();
}

/** What is no checkpoint of this log goes. */
export async function forgetCheckpoint(tables: Kysely<ScratchTables>, kind: CheckpointKind): Promise<void> {
  await tables.deleteFrom('log_checkpoints').where('kind', '=', kind).execute();
}

/** A full tile that was kept, or null. */
export async function readTile(db: Db, level: number, number: number): Promise<KeptTile | null> {
  const query = compiledOnce(db, 'log tile', [level, number], () =>
    db
      .selectFrom('log_tiles')
      .select(['hashes', 'subtrees'])
      .where('level', '=', level)
      .where('number', '=', number)
      .compile(),
  );
  return (await run(db, query))[0] ?? null;
}

/** How many full tiles of a level are kept; they are without gaps. */
export async function countTiles(db: Db, level: number): Promise<number> {
  const row = await db
    .selectFrom('log_tiles')
    .select(({ fn }) => fn.max('number').as('last'))
    .where('level', '=', level)
    .executeTakeFirst();
  return row?.last === null || row === undefined ? 0 : Number(row.last) + 1;
}

/** One text that tiles are in order by. */
function tileId(level: number, number: number): string {
  return `${String(level).padStart(2, '0')}/${String(number).padStart(14, '0')}`;
}

export async function keepTile(
  tables: Kysely<ScratchTables>,
  level: number,
  number: number,
  tile: KeptTile,
): Promise<void> {
  await tables
    .insertInto('log_tiles')
    .values({ id: tileId(level, number), level, number, ...tile })
    .onConflict((conflict) => conflict.columns(['level', 'number']).doUpdateSet(tile))
    .execute();
}

/** Puts another one in the place of a kept tile. Nothing where none is: what was forgotten comes back in order. */
export async function replaceTile(
  tables: Kysely<ScratchTables>,
  level: number,
  number: number,
  tile: KeptTile,
): Promise<void> {
  await tables.updateTable('log_tiles').set(tile).where('level', '=', level).where('number', '=', number).execute();
}

/** Forgets every tile that can be made anew: of entries that were given up the lowest can't, but for its subtrees. */
export async function forgetTiles(tables: Kysely<ScratchTables>, firstMade: number): Promise<void> {
  await tables.deleteFrom('log_tiles').where('level', '>', 0).execute();
  await tables.deleteFrom('log_tiles').where('level', '=', 0).where('number', '>=', firstMade).execute();
  await tables.updateTable('log_tiles').set({ subtrees: null }).where('subtrees', 'is not', null).execute();
}
