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

/**
 * Answers one page of a list.
 * @param load gives up to `limit` rows beyond the id `after`, in the list's order
 */
export async function pageOf<Row, Item>(
  cursors: Cursors,
  { list, principal, query }: PageRequest,
  load: (after: string | undefined, limit: number) => Promise<readonly Row[] | Refusal>,
  idOf: (row: Row) => string,
  show: (rows: readonly Row[]) => Promise<Item[]> | Item[],
): Promise<{ items: Item[]; nextCursor: string | null } | Refusal> {
  const { cursor, limit = DEFAULT_LIMIT, ...filters } = query;
  const name = JSON.stringify([list, principal, filters]);
  const after = cursor === undefined ? undefined : cursors.read(name, cursor);
  if (after === null) return refuse('INVALID_CURSOR', 'Start again without a cursor.', 'cursor');
  const rows = await load(after, limit + 1);
  if (isRefusal(rows)) return rows;
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const nextCursor = rows.length > limit && last !== undefined ? cursors.make(name, idOf(last)) : null;
  return { items: await show(shown), nextCursor };
}
