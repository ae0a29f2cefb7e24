import { type Kysely, sql } from 'kysely';
import type { Database } from '../database/schema.ts';
import type { ScratchTables } from '../database/scratch-tables.ts';
import { sequenceOfToken, type SideRow, tokenId } from '../ledger/side.ts';

type Db = Kysely<Database>;

/** Id of the key of a subject and month. */
export async function findPersonalKey(db: Db, subject: string, period: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('personal_keys')
    .select('id')
    .where('subject', '=', subject)
    .where('period', '=', period)
    .executeTakeFirst();
  return row?.id;
}

export async function listPersonalKeysOf(db: Db, subject: string, limit: number): Promise<string[]> {
  const rows = await db
    .selectFrom('personal_keys')
    .select('id')
    .where('subject', '=', subject)
    .orderBy('id')
    .limit(limit)
    .execute();
  return rows.map(({ id }) => id);
}

/** Keys of the months from `since` to `until`, or of all since, of one subject or of all. */
export async function listPersonalKeys(
  db: Db,
  {
    subject,
    since,
    until,
    limit,
  }: { subject: string | undefined; since: string; until: string | undefined; limit: number },
): Promise<string[]> {
  let query = db.selectFrom('personal_keys').select('id').where('period', '>=', since);
  if (until !== undefined) query = query.where('period', '<=', until);
  if (subject !== undefined) query = query.where('subject', '=', subject);
  const rows = await query.orderBy('period').orderBy('id').limit(limit).execute();
  return rows.map(({ id }) => id);
}

/** Keys that sides of these entries lie under; what was erased has none any more. */
export async function listKeysOfSides(db: Db, from: number, to: number): Promise<string[]> {
  const rows = await db
    .selectFrom('entry_sides')
    .innerJoin('personal_keys', 'personal_keys.id', 'entry_sides.key_id')
    .select('personal_keys.id')
    .distinct()
    .where('entry_sides.sequence', '>=', from)
    .where('entry_sides.sequence', '<=', to)
    .execute();
  return rows.map(({ id }) => id);
}

/** Id of the newest period key up to a month. */
export async function findPeriodKey(db: Db, until: string): Promise<{ id: string; period: string } | undefined> {
  return await db
    .selectFrom('period_keys')
    .select(['id', 'period'])
    .where('period', '<=', until)
    .orderBy('period', 'desc')
    .limit(1)
    .executeTakeFirst();
}

/** Keys of months before `period` that no side lies under. */
export async function listEmptyPeriods(db: Db, period: string): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`select id from period_keys where period < ${period}
    and not exists (select 1 from entry_sides where key_id = period_keys.id) order by id`.execute(db);
  return rows.map(({ id }) => id);
}

/** A key of a subject and month, and whether a side lies under it. */
export interface KeyInUse {
  readonly id: string;
  readonly period: string;
  readonly inUse: boolean;
}

export async function listKeysInUse(db: Db, after: string, limit: number): Promise<KeyInUse[]> {
  const { rows } = await sql<{ id: string; period: string; in_use: number }>`select id, period,
    case when exists (select 1 from entry_sides where key_id = part.id) then 1 else 0 end as in_use
    from (select id, period from personal_keys where id > ${after} order by id limit ${limit}) as part
    order by id`.execute(db);
  return rows.map(({ id, period, in_use }) => ({ id, period, inUse: Number(in_use) === 1 }));
}

export async function hasSides(db: Db, keyId: string): Promise<boolean> {
  const side = db.selectFrom('entry_sides').select('sequence').where('key_id', '=', keyId).limit(1);
  return (await side.executeTakeFirst()) !== undefined;
}

/** A side that does not lie under the key of its subject yet. */
export interface UnmovedSide extends SideRow {
  readonly sequence: number;
  readonly leaf: string;
}

/** '`' follows '_' in ASCII. */
const AFTER_PERIODS = 'pper`';

export async function findUnmoved(db: Db, after: number, limit: number): Promise<UnmovedSide[]> {
  const { rows } = await sql<UnmovedSide>`select s.sequence, s.key_id, s.salt, s.body, e.leaf from entry_sides s
    join entries e on e.sequence = s.sequence
    where s.sequence > ${after} and (s.key_id is null or (s.key_id >= 'pper_' and s.key_id < ${AFTER_PERIODS}))
    order by s.sequence limit ${limit}`.execute(db);
  return rows.map((row) => ({ ...row, sequence: Number(row.sequence) }));
}

/** The same under the key of its subject. */
export interface MovedSide {
  readonly sequence: number;
  readonly row: SideRow;
  readonly tokens: readonly string[];
}

export async function replaceSide(
  tables: Kysely<ScratchTables>,
  { sequence, row: { key_id, salt, body }, tokens }: MovedSide,
): Promise<void> {
  await tables.updateTable('entry_sides').set({ key_id, salt, body }).where('sequence', '=', sequence).execute();
  for (const token of tokens) {
    const id = tokenId(token, sequence);
    await tables
      .insertInto('entry_tokens')
      .values({ id })
      .onConflict((conflict) => conflict.column('id').doNothing())
      .execute();
  }
}

/** Deletes what nobody can open any more. */
export async function deleteSidesUnder(tables: Kysely<ScratchTables>, keyIds: readonly string[]): Promise<void> {
  await tables.deleteFrom('entry_sides').where('key_id', 'in', keyIds).execute();
}

const DELETED_AT_ONCE = 1_000;

/** A side that could not be brought under a key of its subject. */
export interface StayingSide {
  readonly sequence: number;
  /** What it lies under; null: in the clear. */
  readonly keyId: string | null;
  /** Whose it is; null where that can't be told. */
  readonly about: string | null;
}

/** Deletes sides where they still lie as they were found: what was moved meanwhile opens. */
export async function deleteStaying(tables: Kysely<ScratchTables>, sides: readonly StayingSide[]): Promise<void> {
  for (const [keyId, under] of Map.groupBy(sides, ({ keyId }) => keyId)) {
    for (let i = 0; i < under.length; i += DELETED_AT_ONCE) {
      const some = under.slice(i, i + DELETED_AT_ONCE).map(({ sequence }) => sequence);
      const found = tables.deleteFrom('entry_sides').where('sequence', 'in', some);
      await (keyId === null ? found.where('key_id', 'is', null) : found.where('key_id', '=', keyId)).execute();
    }
  }
}

const TOKENS_PER_TURN = 50;

/** Sequences of entries with one of the tokens, the first `limit` in order. */
export async function findByTokens(
  db: Db,
  tokens: readonly string[],
  { from, to, order, limit }: { from: number; to: number; order: 'asc' | 'desc'; limit: number },
): Promise<number[]> {
  let sequences: number[] = [];
  for (const [i, token] of tokens.entries()) {
    if (i % TOKENS_PER_TURN === TOKENS_PER_TURN - 1) await new Promise(setImmediate);
    const rows = await db
      .selectFrom('entry_tokens')
      .select('id')
      .where('id', '>=', tokenId(token, from))
      .where('id', '<=', tokenId(token, to))
      .orderBy('id', order)
      .limit(limit)
      .execute();
    if (rows.length === 0) continue;
    const both = [...sequences, ...rows.map(({ id }) => sequenceOfToken(id))];
    sequences = both.sort((a, b) => (order === 'asc' ? a - b : b - a)).slice(0, limit);
  }
  return sequences;
}
