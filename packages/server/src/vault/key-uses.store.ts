import type { Kysely } from 'kysely';
import type { ScratchTables } from '../database/scratch-tables.ts';

export async function readUses(tables: Kysely<ScratchTables>, keyId: string): Promise<number> {
  const row = await tables.selectFrom('key_uses').select('uses').where('key_id', '=', keyId).executeTakeFirst();
  return row?.uses ?? 0;
}

export async function raiseUses(tables: Kysely<ScratchTables>, keyId: string, uses: number): Promise<void> {
  await tables
    .insertInto('key_uses')
    .values({ key_id: keyId, uses })
    .onConflict((conflict) => conflict.column('key_id').doUpdateSet({ uses }))
    .execute();
}
