import type { DeliveryState } from '@keyhold/protocol/operations/deliveries';
import type { Kysely } from 'kysely';
import { inParts } from '../database/in-parts.ts';
import type { Database, DeliveryRow } from '../database/schema.ts';

export async function findDelivery(db: Kysely<Database>, digest: string): Promise<DeliveryRow | undefined> {
  return await db.selectFrom('deliveries').selectAll().where('digest', '=', digest).executeTakeFirst();
}

export async function findDeliveryById(db: Kysely<Database>, id: string): Promise<DeliveryRow | undefined> {
  return await db.selectFrom('deliveries').selectAll().where('id', '=', id).executeTakeFirst();
}

/** Ids of those that deliver one of these and that still hold something, oldest first. */
export async function findWaiting(db: Kysely<Database>, subjects: readonly string[]): Promise<string[]> {
  const waiting = db.selectFrom('deliveries').select('id').where('envelope', 'is not', null);
  const rows = await inParts(subjects, (some) => waiting.where('subject', 'in', some).execute());
  return rows.map(({ id }) => id).sort();
}

/** Ids of all that deliver one thing, also of those that were taken or ended. */
export async function findDeliveriesOf(db: Kysely<Database>, subject: string): Promise<string[]> {
  const rows = await db.selectFrom('deliveries').select('id').where('subject', '=', subject).orderBy('id').execute();
  return rows.map(({ id }) => id);
}

/** Those of these that still hold something, oldest first. */
export async function stillWaiting(db: Kysely<Database>, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return [];
  const rows = await db
    .selectFrom('deliveries')
    .select('id')
    .where('id', 'in', [...ids])
    .where('envelope', 'is not', null)
    .orderBy('id')
    .execute();
  return rows.map(({ id }) => id);
}

export interface DeliveryFilter {
  readonly environment: string;
  /** Id of what is delivered; of a stored secret, whichever version. */
  readonly subject?: string | undefined;
  readonly state?: DeliveryState | undefined;
  readonly after?: string | undefined;
  readonly limit: number;
  /** Epoch milliseconds: which are over by now. */
  readonly nowMs: number;
}

/** Newest first. */
export async function listDeliveries(db: Kysely<Database>, filter: DeliveryFilter): Promise<DeliveryRow[]> {
  const { environment, subject, state, after, limit, nowMs } = filter;
  let query = db
    .selectFrom('deliveries')
    .selectAll()
    .where('environment_id', '=', environment)
    .orderBy('id', 'desc')
    .limit(limit);
  if (after !== undefined) query = query.where('id', '<', after);
  if (subject !== undefined)
    query = query.where(({ or, eb }) => or([eb('subject', '=', subject), eb('subject', 'like', `${subject}/%`)]));
  // The SQL of `stateOf`; a test holds the two together.
  if (state === 'taken') query = query.where('taken_at', 'is not', null);
  if (state === 'waiting') query = query.where('envelope', 'is not', null).where('expires_at', '>', nowMs);
  if (state === 'over')
    query = query
      .where('taken_at', 'is', null)
      .where(({ or, eb }) => or([eb('envelope', 'is', null), eb('expires_at', '<=', nowMs)]));
  return await query.execute();
}

/** Ids beyond `after` of deliveries that nobody took in time and that still hold something, oldest first. */
export async function findExpired(
  db: Kysely<Database>,
  nowMs: number,
  after: string,
  limit: number,
): Promise<string[]> {
  const rows = await db
    .selectFrom('deliveries')
    .select('id')
    .where('envelope', 'is not', null)
    .where('expires_at', '<=', nowMs)
    .where('id', '>', after)
    .orderBy('id')
    .limit(limit)
    .execute();
  return rows.map(({ id }) => id);
}
