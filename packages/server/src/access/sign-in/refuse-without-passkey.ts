import { type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Kysely } from 'kysely';
import type { Database } from '../../database/schema.ts';
import type { Principal } from '../principal.ts';
import { passkeysOf } from './sessions.store.ts';

const NO_PASSKEY = refuse(
  'FORBIDDEN',
  'This takes a passkey of yours, which signs it: a code of an app signs nothing.',
);

/** Whoever signs in with a password has none to sign with; whether he shows it is asked after that. */
export async function refuseWithoutPasskey(
  reader: Kysely<Database>,
  { id, session }: Pick<Principal, 'id' | 'session'>,
): Promise<Refusal | null> {
  return session !== undefined && (await passkeysOf(reader, id)).length === 0 ? NO_PASSKEY : null;
}
