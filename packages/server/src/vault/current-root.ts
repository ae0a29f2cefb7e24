import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { SealRow } from '../database/schema.ts';
import type { Unsealed } from './keyring.ts';
import { reopenRootKey } from './root-key.ts';
import { readSeal } from './seals.store.ts';
import { SEALED, type Vault } from './vault.ts';

/**
 * The seal as it is stored, with what is in memory made the same: after a commit whose outcome was unknown they may
 * differ. To be called in a turn of the seal.
 * INVARIANT: nothing is put under a key that is in memory and not in the seal: nobody could open it again.
 */
export async function currentRoot(vault: Vault): Promise<{ seal: SealRow; unsealed: Unsealed } | Refusal> {
  const { keyring, ledger, reader } = vault;
  const seal = await readSeal(reader);
  const { unsealed } = keyring;
  if (unsealed === null) return SEALED;
  if (seal === null || 'tampered' in seal) {
    if (seal !== null) vault.tampered(seal.tampered);
    return refuse('ROW_TAMPERED', 'The stored seal is not the one that the ledger recorded.');
  }
  const reopened = reopenRootKey(ledger.head.installation, seal, unsealed);
  if (reopened === null) {
    const detail =
      'The seal was changed without an answer, and its key is not in memory: seal and unseal, then try again.';
    return refuse('ATTEMPT_OVER', detail);
  }
  if (
    seal.root_version === unsealed.root.version &&
    (seal.previous_root_key === null) === (unsealed.previousRoot === null)
  )
    return { seal, unsealed };
  keyring.replace(unsealed, reopened);
  return { seal, unsealed: reopened };
}

/** Reads the root key again where others may have put a newer one there. */
export async function refreshRoot(vault: Vault): Promise<null | Refusal> {
  const current = await vault.sealTurns.take(() => currentRoot(vault));
  return isRefusal(current) ? current : null;
}
