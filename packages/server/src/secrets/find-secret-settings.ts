import { ID_PREFIXES } from '@keyhold/protocol/id';
import { type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Kysely } from 'kysely';
import type { Database, SecretSettingsRow } from '../database/schema.ts';
import { readCheckedRows } from '../ledger/checked-rows.ts';
import type { Facts } from '../ledger/facts.ts';
import type { Vault } from '../vault/vault.ts';
import { findSettingsId } from './secrets.store.ts';

/**
 * What holds for all secrets of an environment, within a change; undefined where nobody set anything.
 * @throws TamperedRow where it is not what the ledger recorded
 */
export async function heldSettings(facts: Facts, environmentId: string): Promise<SecretSettingsRow | undefined> {
  return await facts.find('secret_settings', await settingsId(facts.db, environmentId));
}

/** The same, to be shown. */
export async function openSettings(
  vault: Vault,
  environmentId: string,
): Promise<SecretSettingsRow | Refusal | undefined> {
  const id = await settingsId(vault.reader, environmentId);
  const [checked] = await readCheckedRows(vault.reader, ['secret_settings'], [id]);
  if (checked === undefined) return undefined;
  if (!('tampered' in checked)) return checked.row as SecretSettingsRow;
  vault.tampered(id);
  return refuse('ROW_TAMPERED', 'The settings of secrets of this environment were tampered with.');
}

/**
 * Id of the row that an environment has, or would have: its own follows from the environment's, so that a row that was
 * deleted or moved is asked for all the same, and missed. Rows of before that was so are found by where they lie.
 */
export async function settingsId(db: Kysely<Database>, environmentId: string): Promise<string> {
  const own = `${ID_PREFIXES.secretSettings}${environmentId.slice(ID_PREFIXES.environment.length)}`;
  return (await findSettingsId(db, environmentId)) ?? own;
}
