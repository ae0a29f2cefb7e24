import { type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Kysely } from 'kysely';
import type { Action } from '../access/authorise.ts';
import { attribution, type Caller } from '../access/change-context.ts';
import { allow } from '../access/locate.ts';
import { decide } from '../access/decide.ts';
import type { Principal, Resource } from '../access/principal.ts';
import type { Database, SecretRow } from '../database/schema.ts';
import type { EntryDraft } from '../ledger/entry.ts';
import type { Facts } from '../ledger/facts.ts';
import type { PlacedSecret } from './secret-record.ts';
import { findSecret, listSecrets, type SecretFilter } from './secrets.store.ts';

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
  const resource = resourceOf(secret);
  return allow(principal, action, { resource, absent }) ?? secret;
}

const ROWS_PER_READ = 200;

/** Where a secret lies: policies can name its path. */
export function resourceOf({ project_id, environment_id, path }: PlacedSecret): Resource {
  return { project: project_id, environment: environment_id, secret: path };
}

/** Secrets that a list may show: those whose paths are not closed to him by a policy. */
export async function listVisible(
  reader: Kysely<Database>,
  principal: Principal,
  filter: SecretFilter,
): Promise<PlacedSecret[]> {
  if (!principal.judge.concerns(principal, 'secrets.read')) return await listSecrets(reader, filter);
  const visible: PlacedSecret[] = [];
  for (let { after } = filter; visible.length < filter.limit; ) {
    const rows = await listSecrets(reader, { ...filter, after, limit: ROWS_PER_READ });
    visible.push(...rows.filter((row) => decide(principal, 'secrets.read', resourceOf(row)).allowed));
    if (rows.length < ROWS_PER_READ) break;
    after = rows.at(-1)?.path;
    // Each is decided by itself, which takes its time: let others have a turn.
    await new Promise(setImmediate);
  }
  return visible.slice(0, filter.limit);
}

/**
 * The secret that was authorised, as the ledger recorded it: a row that somebody moved to where he may do more would else
 * be authorised there.
 */
export async function findHeld(facts: Facts, { id, environment_id, path }: PlacedSecret): Promise<SecretRow | Refusal> {
  const held = await facts.find('secrets', id);
  if (held !== undefined && held.environment_id === environment_id && held.path === path) return held;
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
