import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import { type EntryFilter, type KeptEntry, listEntries, newestSequence, nextSequences } from './entries.store.ts';
import { edgeWithin } from './entry-times.store.ts';

/** How much one search looks at before it answers with what it has. */
export interface SearchSizes {
  /** Entries that are looked at in one read, each with its leaf. */
  readonly atOnce: number;
  readonly parts: number;
  /** Rounds in which the far end of a time is looked for. */
  readonly farRounds: number;
}

export const SEARCH: SearchSizes = { atOnce: 1_000, parts: 20, farRounds: 100 };

export interface FoundEntries {
  readonly rows: readonly KeptEntry[];
  /** Where the search goes on, if it was not at the end: beyond this sequence. */
  readonly through: number | null;
}

/**
 * The same as `listEntries`, also of what no index answers alone: that is looked for among so many at a time, and others
 * have their turn in between.
 */
export async function searchEntries(
  db: Kysely<Database>,
  filter: EntryFilter,
  { atOnce, parts, farRounds } = SEARCH,
): Promise<FoundEntries> {
  if (isOfOneIndex(filter)) return { rows: await listEntries(db, filter), through: null };
  const rows: KeptEntry[] = [];
  let left = await narrow(db, filter);
  for (let looked = 1; left !== null; looked++) {
    const { part, last } = await nextPart(db, left, atOnce);
    rows.push(...(await listEntries(db, { ...part, limit: filter.limit - rows.length, among: atOnce })));
    if (last === null || rows.length >= filter.limit) break;
    if (looked === parts) return { rows, through: last };
    await new Promise(setImmediate);
    left = { ...left, beyond: last };
    if (looked === 1) left = await narrowFarEnd(db, left, farRounds);
  }
  return { rows, through: null };
}

/** As much of what is left as is looked at in one read, and its last; null: it is all. */
export async function nextPart<Filter extends Omit<EntryFilter, 'limit'>>(
  db: Kysely<Database>,
  filter: Filter,
  atOnce: number,
): Promise<{ readonly part: Filter; readonly last: number | null }> {
  const next = nextSequences(db, filter).offset(atOnce - 1);
  const last = (await next.limit(1).executeTakeFirst())?.sequence ?? null;
  // Also where entries are given up meanwhile it ends where the next begins.
  const part = last === null ? filter : { ...filter, [filter.order === 'asc' ? 'to' : 'from']: last };
  return { part, last };
}

function isOfOneIndex({ subject, actor, action, code, sinceMs, untilMs }: EntryFilter): boolean {
  const names = [subject, actor, action].filter((name) => name !== undefined);
  return names.length <= 1 && code === undefined && sinceMs === undefined && untilMs === undefined;
}

type Search = Omit<EntryFilter, 'limit'>;
type Narrowed<Filter> = Filter & { readonly from: number; readonly to: number };

/**
 * The numbers that a time lies within by the end that is looked at first; null where nothing does. Up to what is the
 * newest now, so that no step shifts.
 */
export async function narrow<Filter extends Search>(
  db: Kysely<Database>,
  filter: Filter,
): Promise<Narrowed<Filter> | null> {
  const { from = 1, to = Number.MAX_SAFE_INTEGER, order, beyond } = filter;
  const whole = { ...filter, from, to: Math.min(to, await newestSequence(db)) };
  // Whoever goes on from a page is past the edge that it began at.
  return beyond === undefined ? await narrowEnd(db, whole, order === 'asc' ? 'first' : 'last') : whole;
}

/**
 * The same by the other end. For what a first part has not answered: it may be far to look for. Where so many rounds do
 * not tell it stays as it is, which finds the same.
 */
export async function narrowFarEnd<Filter extends Search>(
  db: Kysely<Database>,
  left: Narrowed<Filter>,
  rounds: number,
): Promise<Narrowed<Filter> | null> {
  return await narrowEnd(db, left, left.order === 'asc' ? 'last' : 'first', rounds);
}

async function narrowEnd<Filter extends Search>(
  db: Kysely<Database>,
  left: Narrowed<Filter>,
  end: 'first' | 'last',
  rounds = Number.MAX_SAFE_INTEGER,
): Promise<Narrowed<Filter> | null> {
  const { sinceMs, untilMs, from, to } = left;
  if (sinceMs === undefined && untilMs === undefined) return left;
  const edge = await edgeWithin(db, end, { sinceMs, untilMs }, rounds);
  if (edge === undefined) return left;
  if (edge === null) return null;
  return end === 'first' ? { ...left, from: Math.max(from, edge) } : { ...left, to: Math.min(to, edge) };
}
