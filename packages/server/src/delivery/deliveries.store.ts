import type { Kysely } from 'kysely';
import type { Database, DeliveryRow } from '../database/schema.ts';

export async function findDelivery(db: Kysely<Database>, digest: string): Promise<DeliveryRow | undefined> {
  return await db.selectFrom('deliveries').selectAll().where('digest', '=', digest).executeTakeFirst();
}
