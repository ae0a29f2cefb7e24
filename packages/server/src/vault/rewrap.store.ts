import { type Kysely, sql } from 'kysely';
import type { Database, VaultKeyRow } from '../database/schema.ts';

type Db = Kysely<Database>;

/** Tables whose rows have an envelope under a key of an environment. */
export const ENVELOPE_TABLES = [
  'secret_versions',
  'deliveries',
  'transit_key_versions',
  'log_keys',
  'personal_keys',
  'period_keys',
  'signature_keys',
  'consumer_factors',
  'sign_ons',
  'person_passwords',
] as const;
export type EnvelopeTable = (typeof ENVELOPE_TABLES)[number];

/** An envelope under an old version of its key. */
export interface StaleRow {
  readonly id: string;
  readonly project_id: string;
  readonly environment_id: string;
  readonly vault_key_id: string;
}

const STALE = sql<boolean>`exists (select 1 from vault_keys old join vault_keys newer
  on newer.environment_id = old.environment_id and newer.purpose = old.purpose and newer.version > old.version
  where old.id = t.vault_key_id)`;

/** In order of id, beyond `after`. */
export async function findStaleRows(db: Db, table: EnvelopeTable, after: string, limit: number): Promise<StaleRow[]> {
  const { rows } =
    await sql<StaleRow>`select t.id, t.project_id, t.environment_id, t.vault_key_id from ${sql.table(table)} t
    where t.envelope is not null and t.id > ${after} and ${STALE} order by t.id limit ${limit}`.execute(db);
  return rows;
}

export async function countStaleRows(db: Db, environmentId: string | null): Promise<number> {
  let count = 0;
  for (const table of ENVELOPE_TABLES) {
    const within = environmentId === null ? sql`` : sql`and t.environment_id = ${environmentId}`;
    const { rows } = await sql<{ count: number }>`select count(*) as count from ${sql.table(table)} t
      where t.envelope is not null ${within} and ${STALE}`.execute(db);
    count += Number(rows[0]?.count ?? 0);
  }
  return count;
}

/** A version of a key that a newer one has replaced. */
export interface ReplacedKey {
  readonly id: string;
  readonly project_id: string;
  readonly environment_id: string;
  readonly version: number;
}

/** Those of which no entry says yet that nothing lies under them, in order of id, beyond `after`. */
export async function findReplacedKeys(db: Db, after: string, limit: number): Promise<ReplacedKey[]> {
  const { rows } = await sql<ReplacedKey>`select old.id, old.project_id, old.environment_id, old.version
    from vault_keys old where old.id > ${after}
    and exists (select 1 from vault_keys newer where newer.environment_id = old.environment_id
      and newer.purpose = old.purpose and newer.version > old.version)
    and not exists (select 1 from entries e where e.subject = old.id and e.action = 'vault-key.retired')
    order by old.id limit ${limit}`.execute(db);
  return rows;
}

/** How many envelopes lie under one key. */
export async function countUnder(db: Db, { id, environment_id }: ReplacedKey): Promise<number> {
  return (await countByKey(db, environment_id)).get(id) ?? 0;
}

/** Keys of environments that lie under an old root key. */
export async function findStaleKeys(db: Db, rootVersion: number, after: string, limit: number): Promise<string[]> {
  const rows = await db
    .selectFrom('vault_keys')
    .select('id')
    .where('root_version', '<', rootVersion)
    .where('id', '>', after)
    .orderBy('id')
    .limit(limit)
    .execute();
  return rows.map(({ id }) => id);
}

export async function countStaleKeys(db: Db, rootVersion: number): Promise<number> {
  const { count } = await db
    .selectFrom('vault_keys')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('root_version', '<', rootVersion)
    .executeTakeFirstOrThrow();
  return Number(count);
}

export async function listVaultKeys(db: Db, environmentId: string): Promise<VaultKeyRow[]> {
  return await db
    .selectFrom('vault_keys')
    .selectAll()
    .where('environment_id', '=', environmentId)
    .orderBy('purpose')
    .orderBy('version')
    .execute();
}

/** How many envelopes lie under each key of an environment. */
export async function countByKey(db: Db, environmentId: string): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for (const table of ENVELOPE_TABLES) {
    const rows = await db
      .selectFrom(table as 'deliveries')
      .select(({ fn }) => ['vault_key_id', fn.countAll<number>().as('count')])
      .where('environment_id', '=', environmentId)
      .where('envelope', 'is not', null)
      .groupBy('vault_key_id')
      .execute();
    for (const { vault_key_id, count } of rows)
      counts.set(vault_key_id, (counts.get(vault_key_id) ?? 0) + Number(count));
  }
  return counts;
}
