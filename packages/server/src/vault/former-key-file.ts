import type { Attributed } from '../ledger/entry.ts';
import { removeKeyFile } from './file-seal.ts';
import { parametersOf } from './root-key.ts';
import type { SealParameters, StoredParameters } from './seal.ts';
import { readSeal } from './seals.store.ts';
import type { Vault } from './vault.ts';

/** What is stored of a new seal: it names the key file that goes with the seal before, until that is gone. */
export function withFormerFile(parameters: SealParameters, before: StoredParameters): StoredParameters {
  // A new key file takes the old one's place.
  if (parameters.kind === 'file') return parameters;
  const formerFile = before.kind === 'file' ? before.check : before.formerFile;
  return formerFile === undefined ? parameters : { ...parameters, formerFile };
}

/**
 * Removes the key file of the seal before, and enters that it is gone; at the end of a change, and where that was killed or
 * failed with the next start or change. The root key is still the same: the file opens every earlier copy of the
 * database. To be called in a turn of the seal.
 * @throws what the system says where the file can't be removed
 */
export async function removeFormerFile(vault: Vault, caller: Attributed, keyFile: string): Promise<void> {
  const seal = await readSeal(vault.reader);
  if (seal === null || 'tampered' in seal) return;
  const { formerFile, ...parameters } = parametersOf(seal);
  if (formerFile === undefined) return;
  removeKeyFile(keyFile, { kind: 'file', check: formerFile });
  const draft = { ...caller, action: 'seal.key-file-removed', subject: seal.id, locks: [seal.id] };
  await vault.ledger.record(draft, async (facts) => {
    const row = await facts.find('seals', seal.id);
    // Forgotten once it is gone: the same file may be put there for another installation.
    if (row?.parameters === seal.parameters)
      await facts.update('seals', row, { parameters: JSON.stringify(parameters) });
    return null;
  });
}
