import type { Kysely } from 'kysely';
import type { Database, VaultKeyRow } from '../database/schema.ts';
import type { Purpose } from '@keyhold/protocol/sealed-field';

type Db = Kysely<Database>;

/** Id and version of the key that encrypts for this purpose now. */
export async function findNewestKey(
  db: Db,
  environmentId: string,
  purpose: Purpose,
): Promise<Pick<VaultKeyRow, 'id' | 'version'> | undefined> {
  return await db
    .selectFrom('vault_keys')
    .select(['id', 'version'])
    .where('environment_id', '=', environmentId)
    .where('purpose', '=', purpose)
    .orderBy('version', 'desc')
    .limit(1)
    .executeTakeFirst();
}

/** The key that encrypts now, of every environment that has one for this purpose. */
export async function listNewestKeys(db: Db, purpose: Purpose): Promise<VaultKeyRow[]> {
  const keys = await db
    .selectFrom('vault_keys')
    .selectAll()
    .where('purpose', '=', purpose)
    .orderBy('version', 'asc')
    .execute();
  return [...new Map(keys.map((key) => [key.environment_id, key])).values()];
}
