import { type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import type { Writer } from '../database/writer.ts';
import type { Idempotency, Recorded } from './entry.ts';

/** The member of this name in what a use case made is never kept: a repeated call answers without the secret. */
const SECRET_MEMBER = 'secret';

/** What an earlier call under this key made, a refusal when that was another request, or undefined. */
export async function findRepeated(
  db: Kysely<Database>,
  { principal, key, requestDigest }: Idempotency,
): Promise<Recorded<unknown> | Refusal | undefined> {
  const kept = await db
    .selectFrom('idempotency')
    .selectAll()
    .where('principal', '=', principal)
    .where('idempotency_key', '=', key)
    .executeTakeFirst();
  if (kept === undefined) return undefined;
  if (kept.request_digest !== requestDigest) {
    return refuse('IDEMPOTENCY_KEY_REUSED', 'Use a new Idempotency-Key for a new request.', 'Idempotency-Key');
  }
  return { value: JSON.parse(kept.response), sequence: kept.sequence, repeated: true };
}

/** Keeps what a call made, without its secret. */
export async function keepResponse(
  db: Kysely<Database>,
  { principal, key, requestDigest }: Idempotency,
  value: unknown,
  sequence: number,
  atMs: number,
): Promise<void> {
  const { [SECRET_MEMBER]: _, ...kept } = value as Record<string, unknown>;
  const response = JSON.stringify(kept);
  await db
    .insertInto('idempotency')
    .values({ principal, idempotency_key: key, request_digest: requestDigest, response, sequence, created_at: atMs })
    .execute();
}

/** Forgets what was kept before that time. */
export async function forgetOldKeys(writer: Writer, beforeMs: number): Promise<void> {
  await writer.alone(() =>
    writer.transaction((db) => db.deleteFrom('idempotency').where('created_at', '<', beforeMs).execute()),
  );
}
