import { join } from 'node:path';
import { isRefusal } from '@keyhold/protocol/errors';
import { EnvelopeBroken } from '@keyhold/verifier/open-envelope';
import { systemClock } from '../clock.ts';
import { type Config, ConfigError, environmentOfLibrary } from '../config.ts';
import type { SealRow } from '../database/schema.ts';
import { Hsm } from '../vault/hsm.ts';
import { parametersOf, unwrapRootKey } from '../vault/root-key.ts';
import { SEAL_NEEDS, type SealParameters, type ShamirParameters } from '../vault/seal.ts';
import { keyOfSeal, type UnsealInput } from '../vault/seal-key.ts';
import { readSeal } from '../vault/seals.store.ts';
import { checkShare, combineShares } from '../vault/shamir-seal.ts';
import type { Share } from '../vault/share.ts';
import type { Vault } from '../vault/vault.ts';
import { RestoreRefused } from './restore-backup.ts';

/**
 * Opens the seal of what was restored, by what whoever drills it brought: the texts are passphrase, PIN or shares. No
 * attempt is entered: nothing is written into what is thrown away.
 * @throws RestoreRefused where that does not open it; ConfigError where it was not brought
 */
export async function unsealRestored(vault: Vault, config: Config, texts: readonly string[]): Promise<void> {
  const seal = await readSeal(vault.reader);
  if (seal === null || 'tampered' in seal) throw new RestoreRefused('its seal is not what was recorded', 'seal');
  const { installation } = vault.ledger.head;
  const keyBytes = await keyOf(seal, installation, config, texts);
  try {
    vault.keyring.unseal(unwrapRootKey(installation, seal, keyBytes));
  } catch (error) {
    if (!(error instanceof EnvelopeBroken)) throw error;
    throw new RestoreRefused(`its root key does not open under ${SEAL_NEEDS[parametersOf(seal).kind]}`, 'seal');
  }
}

async function keyOf(seal: SealRow, installation: string, config: Config, texts: readonly string[]): Promise<Buffer> {
  const parameters = parametersOf(seal);
  if (parameters.kind === 'shamir') return await combined(parameters, texts);
  const hsm = new Hsm({ clock: systemClock, environment: environmentOfLibrary(config) });
  const means = { keyFile: config.keyFile ?? join(config.userDataFolder, `${installation}.key`), hsm };
  const key = await keyOfSeal(means, { installation, id: seal.id }, parameters, inputOf(parameters, texts));
  if (isRefusal(key)) throw new RestoreRefused(`its seal does not open: ${key.detail}`, 'seal');
  return key;
}

function inputOf(parameters: Exclude<SealParameters, ShamirParameters>, [text]: readonly string[]): UnsealInput {
  if (parameters.kind === 'file') return {};
  if (text === undefined && parameters.kind === 'pkcs11' && parameters.pinFile !== null) return { unwatched: true };
  if (text === undefined) throw missing(parameters);
  return parameters.kind === 'passphrase' ? { passphrase: text } : { pin: text };
}

async function combined(parameters: ShamirParameters, texts: readonly string[]): Promise<Buffer> {
  const given: Share[] = [];
  try {
    for (const text of texts) {
      const share = checkShare(parameters, text);
      if (typeof share === 'string') throw new RestoreRefused(`its seal does not open: ${share}`, 'seal');
      given.push(share);
    }
    const shares = [...new Map(given.map((share) => [share.number, share])).values()];
    if (shares.length < parameters.threshold) throw missing(parameters);
    return await combineShares(shares.slice(0, parameters.threshold));
  } finally {
    for (const { bytes } of given) bytes.wipe();
  }
}

function missing(parameters: SealParameters): ConfigError {
  const what =
    parameters.kind === 'shamir'
      ? `${parameters.threshold} shares`
      : parameters.kind === 'pkcs11'
        ? 'PIN'
        : 'passphrase';
  return new ConfigError(`the seal of this backup takes its ${what}: give --input-file FILE, one for each`);
}
