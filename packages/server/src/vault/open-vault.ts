import { EnvelopeBroken, keyFrom } from '@keyhold/verifier/open-envelope';
import { existsSync } from 'node:fs';
import { isRefusal } from '@keyhold/protocol/errors';
import { KeyFileError, readKeyBytes, readKeyFile, settleKeyFile, writeKeyFile } from './file-seal.ts';
import { isOldRootKey, parametersOf, unwrapRootKey, wrapRootKey } from './root-key.ts';
import { readOldCheck, readSeal } from './seals.store.ts';
import type { Vault } from './vault.ts';
import { newKeyBytes } from './wrapped-key.ts';

/**
 * At the start: makes a `file` seal at the very first, and opens one where its key lies. Every other seal waits for
 * somebody to open it; until then the installation is sealed.
 * @throws KeyFileError with what to do
 */
export async function openVault(vault: Vault, keyFile: string): Promise<'unsealed' | 'sealed'> {
  const { keyring, ledger, reader } = vault;
  if ((await readSeal(reader)) === null) await createFileSeal(vault, keyFile);
  const seal = await readSeal(reader);
  // A seal that somebody wrote past the ledger opens nothing; what needs no key goes on, and the alarm tells.
  if (seal !== null && 'tampered' in seal) vault.tampered(seal.tampered);
  if (seal === null || 'tampered' in seal || seal.kind !== 'file') return 'sealed';
  const parameters = parametersOf(seal);
  if (parameters.kind !== 'file') return 'sealed';
  const keyBytes = readKeyFile(keyFile, parameters);
  try {
    const unsealed = unwrapRootKey(ledger.head.installation, seal, keyBytes);
    const draft = { actor: 'system', action: 'seal.opened', subject: seal.id, code: 'at-start' };
    // INVARIANT: what can't be entered does not open.
    await ledger.record({ ...draft, evenWithoutChange: true }, async () => null);
    keyring.unseal(unsealed);
  } catch (error) {
    if (!(error instanceof EnvelopeBroken)) throw error;
    vault.broken(error.place, error.message);
    return 'sealed';
  }
  return 'unsealed';
}

async function createFileSeal(vault: Vault, keyFile: string): Promise<void> {
  const { ledger, random, clock, reader } = vault;
  const keyBytes = keyOfBefore(keyFile, await readOldCheck(reader)) ?? newKeyBytes();
  const rootBytes = newKeyBytes();
  const parameters = writeKeyFile(keyFile, keyBytes);
  const id = random.newId('seal');
  const root_key = wrapRootKey(ledger.head.installation, { id, rootVersion: 1 }, keyFrom(keyBytes), rootBytes);
  rootBytes.fill(0);
  const draft = { actor: 'system', action: 'seal.created', subject: id, code: 'file' };
  const recorded = await ledger.record(draft, (facts) =>
    facts.insert('seals', {
      id,
      kind: 'file',
      parameters: JSON.stringify(parameters),
      root_version: 1,
      root_key,
      previous_root_key: null,
      created_at: clock.wall(),
    }),
  );
  if (isRefusal(recorded)) throw new Error(recorded.detail);
  settleKeyFile(keyFile, parameters.check);
}

/**
 * The key that lies there already: an installation from before there were seals goes on with its own, and a new one
 * takes what the operator put there. It may be another installation's, so it is never overwritten.
 */
function keyOfBefore(keyFile: string, check: string | null): Buffer | null {
  if (!existsSync(keyFile)) {
    if (check === null) return null;
    throw new KeyFileError(
      `the root key file ${keyFile} is missing: put it back, or name its place in KEYHOLD_KEY_FILE`,
    );
  }
  const bytes = readKeyBytes(keyFile);
  if (check === null || isOldRootKey(bytes, check)) return bytes;
  bytes.fill(0);
  throw new KeyFileError(
    `the root key file ${keyFile} belongs to another installation: name the right one in KEYHOLD_KEY_FILE`,
  );
}
