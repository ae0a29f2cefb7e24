import type { Quota } from '@keyhold/protocol/feed';
import type { QuotaPeriod } from '@keyhold/protocol/state';
import { type Kysely, sql } from 'kysely';
import { inParts } from '../database/in-parts.ts';
import type { Database } from '../database/schema.ts';
import type { ScratchTables } from '../database/scratch-tables.ts';
import type { CredentialUse } from './key.ts';

/** Uses of these credentials, by credential id. */
export async function loadUses(
  db: Kysely<Database>,
  credentialIds: readonly string[],
): Promise<ReadonlyMap<string, CredentialUse>> {
  const rows = await inParts(credentialIds, (some) =>
    db.selectFrom('credential_usage').selectAll().where('credential_id', 'in', some).execute(),
  );
  return new Map(
    rows.map(({ credential_id, uses, last_used_at, last_used_from }) => [
      credential_id,
      { uses, lastUsedAt: last_used_at, lastUsedFrom: last_used_from },
    ]),
  );
}

/** Where these credentials lie, by id; what does not exist is left out. */
export async function placesOf(
  db: Kysely<Database>,
  credentialIds: readonly string[],
): Promise<ReadonlyMap<string, { readonly project: string; readonly environment: string }>> {
  const places = new Map<string, { project: string; environment: string }>();
  for (let i = 0; i < credentialIds.length; i += ROWS_PER_STATEMENT) {
    const rows = await db
      .selectFrom('credentials')
      .select(['id', 'project_id', 'environment_id'])
      .where('id', 'in', credentialIds.slice(i, i + ROWS_PER_STATEMENT))
      .execute();
    for (const { id, project_id, environment_id } of rows)
      places.set(id, { project: project_id, environment: environment_id });
  }
  return places;
}

/** Where these keys lie, and the period of the quota that each has, by id; what does not exist is left out. */
export async function quotasOf(db: Kysely<Database>, keyIds: readonly string[]) {
  const quotas = new Map<string, { project: string; environment: string; period: QuotaPeriod | null }>();
  for (let i = 0; i < keyIds.length; i += ROWS_PER_STATEMENT) {
    const rows = await db
      .selectFrom('keys')
      .select(['id', 'project_id', 'environment_id', 'quota'])
      .where('id', 'in', keyIds.slice(i, i + ROWS_PER_STATEMENT))
      .execute();
    for (const { id, project_id, environment_id, quota } of rows)
      quotas.set(id, { project: project_id, environment: environment_id, period: periodOf(quota) });
  }
  return quotas;
}

/** Null also where it was tampered with: such a key is not fed. */
function periodOf(quota: string | null): QuotaPeriod | null {
  try {
    return quota === null ? null : (JSON.parse(quota) as Quota).period;
  } catch {
    return null;
  }
}

/** Whose credentials these are, by id; what does not exist is left out. */
export async function holdersOf(db: Kysely<Database>, credentialIds: readonly string[]) {
  const holders = new Map<string, { key: string; consumer: string; project: string; environment: string }>();
  for (let i = 0; i < credentialIds.length; i += ROWS_PER_STATEMENT) {
    const rows = await db
      .selectFrom('credentials')
      .innerJoin('keys', 'keys.id', 'credentials.key_id')
      .select(['credentials.id', 'credentials.key_id', 'keys.consumer_id', 'keys.project_id', 'keys.environment_id'])
      .where('credentials.id', 'in', credentialIds.slice(i, i + ROWS_PER_STATEMENT))
      .execute();
    for (const { id, key_id, consumer_id, project_id, environment_id } of rows) {
      holders.set(id, { key: key_id, consumer: consumer_id, project: project_id, environment: environment_id });
    }
  }
  return holders;
}

/** Rows of one statement, within SQLite's bound on parameters. */
const ROWS_PER_STATEMENT = 1000;

/** Adds what a verifier counted. Two verifiers' reports add up; of the last uses the later stays. */
export async function addUses(
  tables: Kysely<ScratchTables>,
  uses: readonly { id: string; count: number; lastAt: number; lastIp: string | null }[],
): Promise<void> {
  for (let i = 0; i < uses.length; i += ROWS_PER_STATEMENT) {
    const rows = uses.slice(i, i + ROWS_PER_STATEMENT).map(({ id, count, lastAt, lastIp }) => ({
      credential_id: id,
      uses: count,
      last_used_at: lastAt,
      last_used_from: lastIp,
    }));
    await tables
      .insertInto('credential_usage')
      .values(rows)
      .onConflict((conflict) =>
        conflict.column('credential_id').doUpdateSet({
          // Far below 2^53, which not every driver can read.
          uses: sql`case when credential_usage.uses > 4000000000000000 then credential_usage.uses
            else credential_usage.uses + excluded.uses end`,
          last_used_from: sql`case when excluded.last_used_at >= credential_usage.last_used_at
            then excluded.last_used_from else credential_usage.last_used_from end`,
          last_used_at: sql`case when excluded.last_used_at >= credential_usage.last_used_at
            then excluded.last_used_at else credential_usage.last_used_at end`,
        }),
      )
      .execute();
  }
}

/** Of the credentials of a consumer: where each was last used from. */
export async function forgetUseAddresses(tables: Kysely<ScratchTables>, consumer: string): Promise<void> {
  await sql`update credential_usage set last_used_from = null where credential_id in (
    select c.id from credentials c join keys k on k.id = c.key_id where k.consumer_id = ${consumer})`.execute(tables);
}

/**
 * Keeps the furthest quota count of the period, so that a restarted verifier goes on. INVARIANT: none of them is of a
 * period before the one that is kept, unless the quota's period has changed since.
 */
export async function keepQuotas(
  tables: Kysely<ScratchTables>,
  quotas: readonly { key: string; periodStart: number; used: number }[],
): Promise<void> {
  for (let i = 0; i < quotas.length; i += ROWS_PER_STATEMENT) {
    const rows = quotas
      .slice(i, i + ROWS_PER_STATEMENT)
      .map(({ key, periodStart, used }) => ({ key_id: key, period_start: periodStart, used }));
    await tables
      .insertInto('quota_usage')
      .values(rows)
      .onConflict((conflict) =>
        conflict.column('key_id').doUpdateSet({
          used: sql`case when excluded.period_start <> quota_usage.period_start or excluded.used > quota_usage.used
            then excluded.used else quota_usage.used end`,
          period_start: sql`excluded.period_start`,
        }),
      )
      .execute();
  }
}

/** Adds up denials by minute; strangers are counted, not entered. */
export async function addDenials(
  tables: Kysely<ScratchTables>,
  minute: number,
  denials: readonly { environment: string; code: string; count: number }[],
): Promise<void> {
  for (let i = 0; i < denials.length; i += ROWS_PER_STATEMENT) {
    const rows = denials
      .slice(i, i + ROWS_PER_STATEMENT)
      .map(({ environment, code, count }) => ({ minute, environment_id: environment, code, count }));
    await tables
      .insertInto('denials')
      .values(rows)
      .onConflict((conflict) =>
        conflict
          .columns(['minute', 'environment_id', 'code'])
          .doUpdateSet({ count: sql`denials.count + excluded.count` }),
      )
      .execute();
  }
}
