import { type Refusal, refuse } from '@keyhold/protocol/errors';
import type { NewCredential } from '@keyhold/protocol/operations/credentials';
import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import { stateAt } from './key.ts';
import { listCredentials } from './keys.store.ts';

/**
 * What a rotation makes where nobody says what: another of the kind that the key has now, so that one whose requests are
 * signed gets no secret that is sent itself. Of a public key only its holder can make another.
 */
export async function findNextCredential(
  reader: Kysely<Database>,
  keyId: string,
  nowMs: number,
): Promise<NewCredential | Refusal> {
  const credentials = await listCredentials(reader, [keyId]);
  const newest = credentials.find((one) => stateAt(one, nowMs) === 'active') ?? credentials[0];
  if (newest?.kind !== 'public-key') return { kind: newest?.kind ?? 'bearer' };
  const detail = 'The key is a public one: its holder makes the next, or say which other kind it becomes.';
  return refuse('INVALID_INPUT', detail, '/credential');
}
