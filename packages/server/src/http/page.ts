import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Cursors } from './cursor.ts';

const DEFAULT_LIMIT = 50;

/** Which page of which list is asked for. */
export interface PageRequest {
  /** Operation id. */
  readonly list: string;
  readonly principal: string;
  readonly query: { readonly cursor?: string; readonly limit?: number } & Readonly<Record<string, unknown>>;
}

/** What a search has found that ends before the list does. */
interface Part<Row> {
  readonly rows: readonly Row[];
  /** The id that it got to; null at the end of the list. */
  readonly through: string | number | null;
}

/**
 * Answers one page of a list.
 * @param load gives up to `limit` rows beyond the id `after`, in the list's order; or fewer, and how far it looked
 */
export async function pageOf<Row, Item>(
  cursors: Cursors,
  { list, principal, query }: PageRequest,
  load: (after: string | undefined, limit: number) => Promise<readonly Row[] | Part<Row> | Refusal>,
  idOf: (row: Row) => string,
  show: (rows: readonly Row[]) => Promise<Item[]> | Item[],
): Promise<{ items: Item[]; nextCursor: string | null } | Refusal> {
  const { cursor, limit = DEFAULT_LIMIT, ...filters } = query;
  const name = JSON.stringify([list, principal, filters]);
  const after = cursor === undefined ? undefined : cursors.read(name, cursor);
  if (after === null) return refuse('INVALID_CURSOR', 'Start again without a cursor.', 'cursor');
  const loaded = await load(after, limit + 1);
  if (isRefusal(loaded)) return loaded;
  const { rows, through } = 'rows' in loaded ? loaded : { rows: loaded, through: null };
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const next = rows.length > limit && last !== undefined ? idOf(last) : through;
  return { items: await show(shown), nextCursor: next === null ? null : cursors.make(name, String(next)) };
}
