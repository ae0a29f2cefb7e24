import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import { type EntryFilter, type KeptEntry, listEntries, newestSequence, nextSequences } from './entries.store.ts';
import { edgeOf } from './entry-times.store.ts';

/** Entries that are looked at in one read, each with its leaf. */
const AT_ONCE = 1_000;

/**
 * The same as `listEntries`, also of what no index answers alone: that is looked for among so many at a time, and others
 * have their turn in between.
 */
export async function searchEntries(db: Kysely<Database>, filter: EntryFilter): Promise<KeptEntry[]> {
  if (isOfOneIndex(filter)) return await listEntries(db, filter);
  const narrowed = await narrow(db, filter);
  const found: KeptEntry[] = [];
  for (let { beyond } = filter; narrowed !== null; ) {
    const step = { ...narrowed, beyond, limit: filter.limit - found.length };
    const { part, last } = await nextPart(db, step);
    found.push(...(await listEntries(db, { ...part, among: AT_ONCE })));
    if (last === null || found.length >= filter.limit) break;
    beyond = last;
    await new Promise(setImmediate);
  }
  return found;
}

/** As much of what is left as is looked at in one read, and its last; null: it is all. */
export async function nextPart<Filter extends Omit<EntryFilter, 'limit'>>(
  db: Kysely<Database>,
  filter: Filter,
): Promise<{ readonly part: Filter; readonly last: number | null }> {
  const next = nextSequences(db, filter).offset(AT_ONCE - 1);
  const last = (await next.limit(1).executeTakeFirst())?.sequence ?? null;
  // Also where entries are given up meanwhile it ends where the next begins.
  const part = last === null ? filter : { ...filter, [filter.order === 'asc' ? 'to' : 'from']: last };
  return { part, last };
}

function isOfOneIndex({ subject, actor, action, code, sinceMs, untilMs }: EntryFilter): boolean {
  const names = [subject, actor, action].filter((name) => name !== undefined);
  return names.length <= 1 && code === undefined && sinceMs === undefined && untilMs === undefined;
}

/** The numbers that a time lies within; null where nothing does. Up to what is the newest now, so that no step shifts. */
export async function narrow<Filter extends Omit<EntryFilter, 'limit'>>(
  db: Kysely<Database>,
  filter: Filter,
): Promise<(Filter & { readonly from: number; readonly to: number }) | null> {
  const { sinceMs, untilMs, order, beyond } = filter;
  let [from, to] = [filter.from ?? 1, Math.min(filter.to ?? Number.MAX_SAFE_INTEGER, await newestSequence(db))];
  if (sinceMs !== undefined || untilMs !== undefined) {
    const time = { sinceMs, untilMs };
    // Whoever goes on from a page is past the edge that it began at.
    const first = order === 'asc' && beyond !== undefined ? from : await edgeOf(db, 'first', time);
    const last = order === 'desc' && beyond !== undefined ? to : await edgeOf(db, 'last', time);
    if (first === null || last === null) return null;
    [from, to] = [Math.max(from, first), Math.min(to, last)];
  }
  return { ...filter, from, to };
}
