import { isRefusal } from '@keyhold/protocol/errors';
import { isAlive } from '../access/principal.ts';
import { findTokens } from '../access/tokens.store.ts';
import { makeKey } from '../vault/open-vault-key.ts';
import { listNewestKeys } from '../vault/vault-keys.store.ts';
import type { Vault } from '../vault/vault.ts';
import { cameBack, listHolders } from './handed-keys.store.ts';

/**
 * Replaces every distribution key in use that was handed to a token which is over, or that nobody can say of whom it was
 * handed to: whoever had it opens nothing that is written from now on. What lay under it moves in the background. Safe to repeat; sealed, it is done after unseal.
 * @returns how many were replaced
 */
export async function replaceHandedKeys(vault: Vault): Promise<number> {
  if (vault.keyring.sealed) return 0;
  let count = 0;
  for (const key of await listNewestKeys(vault.reader, 'distribution')) {
    const holders = await findTokens(vault.reader, await listHolders(vault.reader, key.id));
    const areAlive = holders.every((token) => isAlive(token, vault.clock.wall()));
    if (areAlive && !(await cameBack(vault.reader, key.id))) continue;
    const made = await makeKey(vault, { actor: 'system' }, key, 'distribution', key.version + 1);
    if (!isRefusal(made)) count++;
  }
  return count;
}
