import type { Kysely } from 'kysely';
import type { ScratchTables } from '../database/scratch-tables.ts';

/** What one verifier holds of a period's units. */
export interface HeldSlice {
  readonly key: string;
  readonly periodStart: number;
  readonly verifier: string;
  /** Units that it may use, and those that it is known to have used. */
  readonly granted: number;
  readonly used: number;
  /** Of its newest question that counted. */
  readonly turn: number;
}

/** Slices of these periods. A key whose period is a minute has had many: none of the others is read. */
export async function slicesOf(
  tables: Kysely<ScratchTables>,
  periods: readonly { readonly key: string; readonly periodStart: number }[],
): Promise<HeldSlice[]> {
  if (periods.length === 0) return [];
  const rows = await tables
    .selectFrom('quota_slices')
    .selectAll()
    .where(({ eb, refTuple, tuple }) =>
      eb(
        refTuple('key_id', 'period_start'),
        'in',
        periods.map(({ key, periodStart }) => tuple(key, periodStart)),
      ),
    )
    .execute();
  return rows.map(({ key_id, period_start, verifier_id, granted, used, turn }) => {
    return { key: key_id, periodStart: period_start, verifier: verifier_id, granted, used, turn };
  });
}

/** Units known to be used in the period that was reported last, by key. */
export async function quotaUsesOf(
  tables: Kysely<ScratchTables>,
  keys: readonly string[],
): Promise<ReadonlyMap<string, { readonly periodStart: number; readonly used: number }>> {
  if (keys.length === 0) return new Map();
  const rows = await tables.selectFrom('quota_usage').selectAll().where('key_id', 'in', keys).execute();
  return new Map(rows.map(({ key_id, period_start, used }) => [key_id, { periodStart: period_start, used }]));
}

export async function storeSlices(tables: Kysely<ScratchTables>, slices: readonly HeldSlice[]): Promise<void> {
  if (slices.length === 0) return;
  const rows = slices.map(({ key, periodStart, verifier, granted, used, turn }) => {
    return { key_id: key, period_start: periodStart, verifier_id: verifier, granted, used, turn };
  });
  await tables
    .insertInto('quota_slices')
    .values(rows)
    .onConflict((conflict) =>
      conflict.columns(['key_id', 'period_start', 'verifier_id']).doUpdateSet((eb) => ({
        granted: eb.ref('excluded.granted'),
        used: eb.ref('excluded.used'),
        turn: eb.ref('excluded.turn'),
      })),
    )
    .execute();
}

/** Takes out what is of a key's periods before this one. */
export async function forgetSlices(tables: Kysely<ScratchTables>, key: string, before: number): Promise<void> {
  await tables.deleteFrom('quota_slices').where('key_id', '=', key).where('period_start', '<', before).execute();
}
