import { hash } from 'node:crypto';
import type { Kysely } from 'kysely';
import type { PolicyRow } from '../../database/people-rows.ts';
import type { Database } from '../../database/schema.ts';
import { tryReadPolicy, whomIt } from './policy.ts';

type Db = Kysely<Database>;

/** Newest first. */
export async function listPolicies(db: Db, after: string | undefined, limit: number): Promise<PolicyRow[]> {
  let query = db.selectFrom('policies').selectAll().orderBy('id', 'desc').limit(limit);
  if (after !== undefined) query = query.where('id', '<', after);
  return await query.execute();
}

export async function findPolicyNamed(db: Db, name: string): Promise<PolicyRow | undefined> {
  return await db.selectFrom('policies').selectAll().where('name', '=', name).executeTakeFirst();
}

export async function findPolicyRow(db: Db, id: string): Promise<PolicyRow | undefined> {
  return await db.selectFrom('policies').selectAll().where('id', '=', id).executeTakeFirst();
}

/** What a preview looked at: another digest, and something has changed since. */
export async function basisOf(db: Db): Promise<string> {
  const rows = await db.selectFrom('policies').select(['id', 'name', 'text']).orderBy('id').execute();
  const all = rows.map(({ id, name, text }) => [id, name, text]);
  return hash('sha256', JSON.stringify(all), 'hex');
}

export async function countPolicies(db: Db): Promise<number> {
  const { count } = await db
    .selectFrom('policies')
    .select((eb) => eb.fn.countAll().as('count'))
    .executeTakeFirstOrThrow();
  return Number(count);
}

/** Whether a policy permits something to just this one. */
export async function isPermittedByName(db: Db, id: string): Promise<boolean> {
  // There are at most a thousand.
  const policies = (await db.selectFrom('policies').selectAll().execute()).map(tryReadPolicy);
  return policies.some((policy) => policy?.effect === 'permit' && whomIt(policy)?.id === id);
}
