import type { Attributed } from '../ledger/entry.ts';
import { removeKeyFile } from './file-seal.ts';
import { parametersOf } from './root-key.ts';
import type { FileParameters, FormerFile, SealParameters, StoredParameters } from './seal.ts';
import { readSeal } from './seals.store.ts';
import type { Vault } from './vault.ts';

/**
 * What is stored of a new seal: it names the key files that go with the seals before, until they are gone.
 * @param keyFile where the present one's key lies, and the next one's will
 */
export function withFormerFiles(
  parameters: SealParameters,
  before: StoredParameters,
  keyFile: string,
): StoredParameters {
  const { formerFiles = [] } = before;
  const all = before.kind === 'file' ? [...formerFiles, { check: before.check, path: keyFile }] : formerFiles;
  // A new key file takes the place of what lies there.
  const left = parameters.kind === 'file' ? all.filter(({ path }) => path !== keyFile) : all;
  return left.length === 0 ? parameters : { ...parameters, formerFiles: left };
}

/** The key of this installation that may lie at `keyFile`: the seal's, or that of one before; null where it has none. */
export function ownKeyAt(keyFile: string, parameters: StoredParameters): FileParameters | null {
  if (parameters.kind === 'file') return parameters;
  const former = parameters.formerFiles?.find(({ path }) => path === keyFile);
  return former === undefined ? null : { kind: 'file', check: former.check };
}

/**
 * Removes the key files of the seals before, each where it lay, and enters that they are gone; at the end of a change, and
 * where that was killed or failed with the next start or change. The root key is still the same: such a file opens every
 * earlier copy of the database. To be called in a turn of the seal.
 * @throws what the system says where one can't be removed
 */
export async function removeFormerFiles(vault: Vault, caller: Attributed): Promise<void> {
  const seal = await readSeal(vault.reader);
  if (seal === null || 'tampered' in seal) return;
  for (const former of parametersOf(seal).formerFiles ?? []) await removeFormerFile(vault, caller, seal.id, former);
}

async function removeFormerFile(
  vault: Vault,
  caller: Attributed,
  id: string,
  { check, path }: FormerFile,
): Promise<void> {
  const code = removeKeyFile(path, { kind: 'file', check });
  const draft = { ...caller, action: 'seal.key-file-removed', subject: id, code, locks: [id] };
  await vault.ledger.record(draft, async (facts) => {
    const row = await facts.find('seals', id);
    if (row === undefined) return null;
    const { formerFiles = [], ...parameters } = parametersOf(row);
    // Forgotten once it is gone: the same file may be put there for another installation.
    const left = formerFiles.filter((one) => one.check !== check || one.path !== path);
    const stored: StoredParameters = left.length === 0 ? parameters : { ...parameters, formerFiles: left };
    return await facts.update('seals', row, { parameters: JSON.stringify(stored) });
  });
}
