import type { Kysely } from 'kysely';
import type { Database, SealRow } from '../database/schema.ts';
import { readCheckedRows } from '../ledger/checked-rows.ts';

/** The seal as the ledger recorded it; null before the first start, the id of the row when it is another. */
export async function readSeal(db: Kysely<Database>): Promise<SealRow | { readonly tampered: string } | null> {
  const row = await db.selectFrom('seals').select('id').orderBy('id').limit(1).executeTakeFirst();
  if (row === undefined) return null;
  const [checked] = await readCheckedRows(db, ['seals'], [row.id]);
  return checked === undefined || 'tampered' in checked ? { tampered: row.id } : (checked.row as SealRow);
}

/** Version of the root key that keys are put under now. */
export async function readRootVersion(db: Kysely<Database>): Promise<number> {
  const row = await db.selectFrom('seals').select('root_version').orderBy('id').limit(1).executeTakeFirstOrThrow();
  return row.root_version;
}

/** Check value of a key file made before there were seals; null where there was none. */
export async function readOldCheck(db: Kysely<Database>): Promise<string | null> {
  const head = await db.selectFrom('ledger_head').select('root_key_check').executeTakeFirstOrThrow();
  return head.root_key_check;
}
