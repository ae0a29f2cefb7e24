import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Kysely } from 'kysely';
import type { Action } from '../access/authorise.ts';
import type { Caller, ChangeContext } from '../access/change-context.ts';
import { mayAsk } from '../access/decide.ts';
import { allow, allowOnInstallation } from '../access/locate.ts';
import type { Principal } from '../access/principal.ts';
import { isKnownToLedger, withdrawMissing } from '../access/withdraw-missing.ts';
import type { Database } from '../database/schema.ts';
import { findPlacedKey, type PlacedKey } from './keys.store.ts';

/**
 * Finds a key and whether the principal may act on it; what he may not see does not exist.
 * @param narrows whether what is asked takes away from it and gives nothing
 */
export async function openKey(
  reader: Kysely<Database>,
  principal: Principal,
  action: Action,
  id: string,
  narrows?: (key: PlacedKey) => Promise<boolean>,
): Promise<PlacedKey | Refusal> {
  const absent = refuse('KEY_NOT_FOUND', `There is no key ${id}.`, 'id');
  const key = await findPlacedKey(reader, id);
  if (key === undefined) return allow(principal, action, absent) ?? absent;
  const resource = { project: key.project_id, environment: key.environment_id };
  const isLooked = narrows !== undefined && mayAsk(principal, action, resource);
  return allow(principal, action, { resource, absent, narrows: isLooked && (await narrows(key)) }) ?? key;
}

/** The same for ending it: a key whose row was deleted past the ledger is ended by who may end any key. */
export async function openForTakingAway(
  { reader, context }: { readonly reader: Kysely<Database>; readonly context: ChangeContext },
  action: Action,
  caller: Caller,
  id: string,
): Promise<PlacedKey | Refusal> {
  const key = await openKey(reader, caller.principal, action, id);
  if (!isRefusal(key) || key.refused !== 'KEY_NOT_FOUND' || !(await isKnownToLedger(reader, id))) return key;
  const denied = allowOnInstallation(caller.principal, action);
  return denied === null ? await withdrawMissing(context, caller, 'keys', id, key) : key;
}
