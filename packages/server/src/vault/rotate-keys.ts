import { keyFrom } from '@keyhold/verifier/open-envelope';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import { makeKey } from './open-vault-key.ts';
import { wrapRootKey } from './root-key.ts';
import { listVaultKeys } from './rewrap.store.ts';
import type { SealCaller } from './seal-gate.ts';
import { currentRoot } from './current-root.ts';
import type { InEnvironment, Vault } from './vault.ts';
import { newKeyBytes } from './wrapped-key.ts';

/**
 * A new version of every key that the environment has: they encrypt from now on.
 * @returns the sequence of the last one's entry; undefined where it has none
 */
export async function rotateEnvironmentKeys(
  vault: Vault,
  caller: SealCaller,
  place: InEnvironment,
): Promise<number | undefined | Refusal> {
  let sequence: number | undefined;
  const keys = await listVaultKeys(vault.reader, place.environment_id);
  for (const purpose of new Set(keys.map((key) => key.purpose))) {
    const version = Math.max(...keys.filter((key) => key.purpose === purpose).map((key) => key.version)) + 1;
    const made = await makeKey(vault, caller, place, purpose, version);
    if (isRefusal(made)) return made;
    sequence = made.sequence ?? sequence;
  }
  return sequence;
}

/** The version of the root key that is the newest now, and the sequence of the entry that says so. */
export interface RotatedRoot {
  readonly version: number;
  readonly sequence: number;
}

/**
 * A new root key under the same seal, in one entry with the old one kept beside it. Keys of environments move under it
 * one batch after another, and when the last has moved the old root key goes.
 */
export function rotateRootKey(vault: Vault, caller: SealCaller): Promise<RotatedRoot | Refusal> {
  return vault.sealTurns.take(() => rotateInTurn(vault, caller));
}

async function rotateInTurn(vault: Vault, caller: SealCaller): Promise<RotatedRoot | Refusal> {
  const { keyring, ledger } = vault;
  const current = await currentRoot(vault);
  if (isRefusal(current)) return current;
  const { seal, unsealed } = current;
  if (seal.previous_root_key !== null)
    return refuse('ATTEMPT_OVER', 'The last rotation of the root key is not done yet.');
  const version = seal.root_version + 1;
  const bytes = newKeyBytes();
  const place = { id: seal.id, rootVersion: version };
  const root_key = wrapRootKey(ledger.head.installation, place, unsealed.sealKey, bytes);
  const code = `version-${version}`;
  const draft = { ...caller, action: 'root-key.rotated', subject: seal.id, code, locks: [seal.id] };
  const recorded = await ledger.record(draft, async (facts) => {
    const row = await facts.find('seals', seal.id);
    if (row?.root_key !== seal.root_key) return refuse('ATTEMPT_OVER', 'The seal was changed meanwhile; look again.');
    return await facts.update('seals', row, { root_version: version, root_key, previous_root_key: seal.root_key });
  });
  if (isRefusal(recorded)) {
    bytes.fill(0);
    return recorded;
  }
  const root = { id: unsealed.root.id, version, key: keyFrom(bytes) };
  keyring.replace(unsealed, { ...unsealed, root, previousRoot: unsealed.root });
  return { version, sequence: recorded.sequence };
}
