import type { Kysely } from 'kysely';
import type { ConsumerFactorRow } from '../database/factor-rows.ts';
import type { Database } from '../database/schema.ts';

type Db = Kysely<Database>;

/** A factor with the names of its place. */
export type PlacedFactor = ConsumerFactorRow & {
  readonly project_slug: string;
  readonly environment_name: string;
};

function placedFactors(db: Db) {
  return db
    .selectFrom('consumer_factors')
    .innerJoin('projects', 'projects.id', 'consumer_factors.project_id')
    .innerJoin('environments', 'environments.id', 'consumer_factors.environment_id')
    .selectAll('consumer_factors')
    .select(['projects.slug as project_slug', 'environments.name as environment_name']);
}

export async function findPlacedFactor(db: Db, id: string): Promise<PlacedFactor | undefined> {
  return await placedFactors(db).where('consumer_factors.id', '=', id).executeTakeFirst();
}

/** Oldest first; `environments` null: of all. */
export async function listFactors(
  db: Db,
  consumerId: string,
  environments: readonly string[] | null,
  after: string | undefined,
  limit: number,
): Promise<PlacedFactor[]> {
  if (environments?.length === 0) return [];
  let query = placedFactors(db)
    .where('consumer_factors.consumer_id', '=', consumerId)
    .orderBy('consumer_factors.id')
    .limit(limit);
  if (environments !== null) query = query.where('consumer_factors.environment_id', 'in', [...environments]);
  if (after !== undefined) query = query.where('consumer_factors.id', '>', after);
  return await query.execute();
}

export async function findPasskeyId(db: Db, factorId: string): Promise<string | undefined> {
  const row = await db.selectFrom('passkeys').select('id').where('factor_id', '=', factorId).executeTakeFirst();
  return row?.id;
}

/** Those that are not removed. */
export async function countFactors(db: Db, consumerId: string, environmentId: string): Promise<number> {
  const { count } = await db
    .selectFrom('consumer_factors')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('consumer_id', '=', consumerId)
    .where('environment_id', '=', environmentId)
    .where('state', '!=', 'removed')
    .executeTakeFirstOrThrow();
  return Number(count);
}
