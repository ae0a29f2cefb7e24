import type { FactTable, FactTables } from '../../database/schema.ts';
import type { Facts } from '../../ledger/facts.ts';

/** What else the entry is about has to fit too; one that was tampered with counts twice. */
const ROOM_LEFT = 12;

export function isFull(facts: Facts): boolean {
  return facts.room < ROOM_LEFT;
}

/**
 * Ends these rows as far as the entry of a change has room for them: somebody may have let very many pile up, and nobody
 * may stay by that. For what opens nothing by itself any more, or is asked for again until none are left.
 * @returns whether more are left
 */
export async function takeAwayAll<T extends FactTable>(
  facts: Facts,
  table: T,
  rows: readonly { readonly id: string }[],
  patch: Partial<Omit<FactTables[T], 'id' | 'salt'>>,
): Promise<boolean> {
  for (const { id } of rows) {
    if (isFull(facts)) return true;
    await facts.takeAway(table, id, patch);
  }
  return false;
}
