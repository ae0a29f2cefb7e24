import { type Kysely, sql } from 'kysely';
import type { Database } from '../database/schema.ts';
import type { ChainedEntry } from './chain.ts';
import type { SideRow } from './side.ts';

/** Which entries to list. */
export interface EntryFilter {
  readonly action?: string | undefined;
  readonly actor?: string | undefined;
  readonly subject?: string | undefined;
  readonly code?: string | undefined;
  /** Epoch milliseconds, both inclusive. */
  readonly sinceMs?: number | undefined;
  readonly untilMs?: number | undefined;
  /** Sequences, both inclusive. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** Only these. */
  readonly sequences?: readonly number[] | undefined;
  /** Only among so many, which are the next by number and by what an index holds first: subject, actor or action. */
  readonly among?: number | undefined;
  readonly order: 'asc' | 'desc';
  /** Only entries beyond this sequence, in the direction of `order`. */
  readonly beyond?: number | undefined;
  readonly limit: number;
}

/** An entry with what is kept beside it. */
export interface KeptEntry extends Omit<ChainedEntry, 'side'> {
  readonly side: SideRow | null;
}

/** Entries with their side rows. */
export async function listEntries(db: Kysely<Database>, filter: EntryFilter): Promise<KeptEntry[]> {
  let query = db
    .selectFrom('entries')
    .leftJoin('entry_sides', 'entry_sides.sequence', 'entries.sequence')
    .selectAll('entries')
    .select(['entry_sides.key_id', 'entry_sides.salt', 'entry_sides.body'])
    .orderBy('entries.sequence', filter.order)
    .limit(filter.limit);
  if (filter.action !== undefined) query = query.where('entries.action', '=', filter.action);
  if (filter.actor !== undefined) query = query.where('entries.actor', '=', filter.actor);
  if (filter.subject !== undefined) query = query.where('entries.subject', '=', filter.subject);
  // A leaf is canonical: its code stands in it in this one form, and nothing else can look like it.
  if (filter.code !== undefined) query = query.where(saysCode(filter.code));
  if (filter.sinceMs !== undefined) query = query.where('entries.at', '>=', filter.sinceMs);
  if (filter.untilMs !== undefined) query = query.where('entries.at', '<=', filter.untilMs);
  const { from, to } = boundsOf(filter);
  if (from !== undefined) query = query.where('entries.sequence', '>=', from);
  if (to !== undefined) query = query.where('entries.sequence', '<=', to);
  if (filter.sequences !== undefined) query = query.where('entries.sequence', 'in', filter.sequences);
  const { among } = filter;
  if (among !== undefined) query = query.where('entries.sequence', 'in', nextSequences(db, filter).limit(among));
  const rows = await query.execute();
  return rows.map(({ key_id, salt, body, ...entry }) => ({
    ...entry,
    side: salt === null || body === null ? null : { key_id, salt, body },
  }));
}

/** Read from one index alone. */
export function nextSequences(
  db: Kysely<Database>,
  { subject, actor, action, order, ...bounds }: Omit<EntryFilter, 'limit'>,
) {
  const { from, to } = boundsOf({ order, ...bounds });
  let query = db.selectFrom('entries').select('sequence').orderBy('sequence', order);
  if (subject !== undefined) query = query.where('subject', '=', subject);
  else if (actor !== undefined) query = query.where('actor', '=', actor);
  else if (action !== undefined) query = query.where('action', '=', action);
  if (from !== undefined) query = query.where('sequence', '>=', from);
  return to === undefined ? query : query.where('sequence', '<=', to);
}

/** Sequences, both inclusive. Each end is said once: of two SQLite begins at either. */
export function boundsOf({ from, to, beyond, order }: Pick<EntryFilter, 'from' | 'to' | 'beyond' | 'order'>) {
  if (beyond === undefined) return { from, to };
  if (order === 'asc') return { from: Math.max(from ?? 1, beyond + 1), to };
  return { from, to: Math.min(to ?? beyond, beyond - 1) };
}

/** Of a query of entries: whether their code is that one. */
export function saysCode(code: string) {
  const said = `,"code":${JSON.stringify(code)},`;
  // LIKE heeds case on one database and not on the other.
  return sql<boolean>`replace(entries.leaf, ${said}, '') <> entries.leaf`;
}

/** Hash of the leaf at `sequence`, or null where there is none. */
export async function hashAt(db: Kysely<Database>, sequence: number): Promise<string | null> {
  const row = await db.selectFrom('entries').select('hash').where('sequence', '=', sequence).executeTakeFirst();
  return row?.hash ?? null;
}

/** Sequence of the newest entry that says so, or null where there is none. */
export async function newestOf(db: Kysely<Database>, action: string): Promise<number | null> {
  const query = db.selectFrom('entries').select('sequence').where('action', '=', action);
  return (await query.orderBy('sequence', 'desc').limit(1).executeTakeFirst())?.sequence ?? null;
}

/** Leaves after `from` up to and with `to`, in order. */
export async function leavesBetween(
  db: Kysely<Database>,
  from: number,
  to: number,
): Promise<{ sequence: number; leaf: string; hash: string }[]> {
  return await db
    .selectFrom('entries')
    .select(['sequence', 'leaf', 'hash'])
    .where('sequence', '>', from)
    .where('sequence', '<=', to)
    .orderBy('sequence')
    .execute();
}

/** The same with all that is searched by, to be compared with what the leaves say. */
export async function entriesBetween(db: Kysely<Database>, from: number, to: number): Promise<Database['entries'][]> {
  return await db
    .selectFrom('entries')
    .selectAll()
    .where('sequence', '>', from)
    .where('sequence', '<=', to)
    .orderBy('sequence')
    .execute();
}

/** The first entry that was not given up. */
export async function oldestEntry(db: Kysely<Database>): Promise<{ sequence: number; at: number } | undefined> {
  return await db.selectFrom('entries').select(['sequence', 'at']).orderBy('sequence').limit(1).executeTakeFirst();
}

/** Sequence of the newest entry; 0 where there is none. */
export async function newestSequence(db: Kysely<Database>): Promise<number> {
  const newest = db.selectFrom('entries').select('sequence').orderBy('sequence', 'desc').limit(1);
  return (await newest.executeTakeFirst())?.sequence ?? 0;
}

/** So many that a start whose clock was behind sets nothing back. */
const NEWEST = 100;

/** When the newest entries were made, at the latest; null where there is none. */
export async function newestEntryAt(db: Kysely<Database>): Promise<number | null> {
  const row = await db
    .selectFrom(db.selectFrom('entries').select('at').orderBy('sequence', 'desc').limit(NEWEST).as('newest'))
    .select(({ fn }) => fn.max('newest.at').as('at'))
    .executeTakeFirst();
  return row?.at == null ? null : Number(row.at);
}
