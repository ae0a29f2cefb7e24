import { type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Kysely } from 'kysely';
import type { Action } from '../access/authorise.ts';
import { attribution, type Caller } from '../access/change-context.ts';
import { allow } from '../access/locate.ts';
import type { Principal } from '../access/principal.ts';
import type { Database, SecretRow } from '../database/schema.ts';
import type { EntryDraft } from '../ledger/entry.ts';
import type { Facts } from '../ledger/facts.ts';
import type { PlacedSecret } from './secret-record.ts';
import { findSecret } from './secrets.store.ts';

/** Finds a secret and whether the principal may act on it; what he may not see does not exist. */
export async function openSecret(
  reader: Kysely<Database>,
  principal: Principal,
  action: Action,
  id: string,
): Promise<PlacedSecret | Refusal> {
  const absent = refuse('SECRET_NOT_FOUND', `There is no secret ${id}.`, 'id');
  const secret = await findSecret(reader, id);
  if (secret === undefined) return allow(principal, action, absent) ?? absent;
  const resource = { project: secret.project_id, environment: secret.environment_id };
  return allow(principal, action, { resource, absent }) ?? secret;
}

/**
 * The secret that was authorised, as the ledger recorded it: a row that somebody moved to an environment of his would
 * else be authorised there.
 */
export async function findHeld(facts: Facts, { id, environment_id }: PlacedSecret): Promise<SecretRow | Refusal> {
  const held = await facts.find('secrets', id);
  if (held !== undefined && held.environment_id === environment_id) return held;
  return refuse('SECRET_NOT_FOUND', `There is no secret ${id}.`, 'id');
}

/** What the entry of everything that is done to a secret says. */
export function secretEntry(
  caller: Caller,
  secret: Pick<PlacedSecret, 'id' | 'project_id' | 'environment_id'>,
  action: string,
): EntryDraft {
  const { id, project_id, environment_id } = secret;
  const place = { project: project_id, environment: environment_id };
  return { ...attribution(caller), action, subject: id, ...place, locks: [id] };
}
