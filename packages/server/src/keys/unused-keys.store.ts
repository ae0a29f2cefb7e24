import type { Kysely } from 'kysely';
import type { Database, KeyRulesRow } from '../database/schema.ts';

type Db = Kysely<Database>;

/** Rules under which keys lapse when nobody uses them. */
export async function listLapseRules(db: Db): Promise<KeyRulesRow[]> {
  return await db.selectFrom('key_rules').selectAll().where('unused_days', 'is not', null).execute();
}

/**
 * Ids of active keys that began, were used and were changed at `sinceMs` at the latest, and have not ended at `nowMs`, epoch
 * milliseconds; oldest first.
 */
export async function listUnusedKeys(
  db: Db,
  environmentId: string,
  { sinceMs, nowMs }: { readonly sinceMs: number; readonly nowMs: number },
  limit: number,
): Promise<string[]> {
  const rows = await db
    .selectFrom('keys')
    .select('keys.id')
    .where('keys.environment_id', '=', environmentId)
    .where('keys.state', '=', 'active')
    .where('keys.created_at', '<=', sinceMs)
    .where(({ or, eb }) => or([eb('keys.starts_at', 'is', null), eb('keys.starts_at', '<=', sinceMs)]))
    .where(({ or, eb }) => or([eb('keys.expires_at', 'is', null), eb('keys.expires_at', '>', nowMs)]))
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('credentials')
            .innerJoin('credential_usage', 'credential_usage.credential_id', 'credentials.id')
            .select('credentials.id')
            .whereRef('credentials.key_id', '=', 'keys.id')
            .where('credential_usage.last_used_at', '>', sinceMs),
        ),
      ),
    )
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('entries')
            .select('entries.id')
            .whereRef('entries.subject', '=', 'keys.id')
            .where('entries.at', '>', sinceMs),
        ),
      ),
    )
    .orderBy('keys.id')
    .limit(limit)
    .execute();
  return rows.map(({ id }) => id);
}
