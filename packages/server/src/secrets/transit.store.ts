import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import type { TransitKeyRow, TransitKeyVersionRow } from '../database/transit-rows.ts';

type Db = Kysely<Database>;

export async function findTransitKey(db: Db, environmentId: string, name: string): Promise<TransitKeyRow | undefined> {
  return await db
    .selectFrom('transit_keys')
    .selectAll()
    .where('environment_id', '=', environmentId)
    .where('name', '=', name)
    .executeTakeFirst();
}

export async function listTransitKeys(db: Db, environmentId: string): Promise<TransitKeyRow[]> {
  return await db
    .selectFrom('transit_keys')
    .selectAll()
    .where('environment_id', '=', environmentId)
    .orderBy('name')
    .execute();
}

/** Oldest first, without their envelopes. */
export async function listTransitVersions(
  db: Db,
  keyId: string,
): Promise<Pick<TransitKeyVersionRow, 'id' | 'version' | 'created_at'>[]> {
  return await db
    .selectFrom('transit_key_versions')
    .select(['id', 'version', 'created_at'])
    .where('transit_key_id', '=', keyId)
    .orderBy('version')
    .execute();
}

export async function findTransitVersion(db: Db, keyId: string, version: number): Promise<string | undefined> {
  const row = await db
    .selectFrom('transit_key_versions')
    .select('id')
    .where('transit_key_id', '=', keyId)
    .where('version', '=', version)
    .executeTakeFirst();
  return row?.id;
}
