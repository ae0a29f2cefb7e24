import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import { KeyFileError, readKeyFile, writeKeyFile } from './file-seal.ts';
import type { Hsm } from './hsm.ts';
import { keyOfPassphrase, newPassphraseParameters } from './passphrase-seal.ts';
import { keyOfPkcs11Seal, makePkcs11Seal, type Pkcs11Change, type SealPlace } from './pkcs11-seal.ts';
import { SEAL_NEEDS, type SealParameters, type ShamirParameters } from './seal.ts';
import { makeShares } from './shamir-seal.ts';
import { Secret } from './secret.ts';
import { SecretBytes } from './secret-bytes.ts';
import { newKeyBytes } from './wrapped-key.ts';

/** What a seal's key comes from, beside what is given in a call. */
export interface SealMeans {
  readonly keyFile: string;
  readonly hsm: Hsm;
}

export interface UnsealInput {
  readonly passphrase?: string;
  readonly share?: string;
  readonly nonce?: string;
  readonly pin?: string;
  /** By a start or a drill: nobody waits for the answer. No caller says it. */
  readonly unwatched?: true;
  readonly reset?: true;
}

export interface SealChange extends Pkcs11Change {
  readonly kind: SealParameters['kind'];
  readonly passphrase?: string;
  readonly shares?: number;
  readonly threshold?: number;
}

/** A seal that is not in force yet; the key is the caller's to wipe. */
export interface MadeSeal {
  readonly parameters: SealParameters;
  readonly keyBytes: SecretBytes;
  readonly shares?: readonly Secret[];
}

export async function makeSeal(
  { keyFile, hsm }: SealMeans,
  place: SealPlace,
  change: SealChange,
): Promise<MadeSeal | Refusal> {
  if (change.kind === 'pkcs11') return await makePkcs11Seal(hsm, place, change);
  if (change.kind === 'passphrase') {
    if (change.passphrase === undefined) return needs(change.kind, '/passphrase');
    const parameters = newPassphraseParameters();
    return { parameters, keyBytes: new SecretBytes(await keyOfPassphrase(parameters, change.passphrase)) };
  }
  const keyBytes = new SecretBytes(newKeyBytes());
  if (change.kind === 'file') {
    const parameters = usingFile('INVALID_INPUT', () => writeKeyFile(keyFile, keyBytes.read()));
    return isRefusal(parameters) ? parameters : { parameters, keyBytes };
  }
  const { shares = 5, threshold = 3 } = change;
  if (threshold > shares) return refuse('INVALID_INPUT', 'The threshold is above the number of shares.', '/threshold');
  const { parameters, texts } = await makeShares(keyBytes.read(), shares, threshold);
  return { parameters, keyBytes, shares: texts.map((text) => new Secret(text)) };
}

/** The key of a seal that takes one try, not one share after another; the caller's to wipe. */
export async function keyOfSeal(
  { keyFile, hsm }: SealMeans,
  place: SealPlace,
  parameters: Exclude<SealParameters, ShamirParameters>,
  input: UnsealInput,
): Promise<Buffer | Refusal> {
  if (parameters.kind === 'file') return usingFile('UNSEAL_REFUSED', () => readKeyFile(keyFile, parameters));
  if (parameters.kind === 'pkcs11') return await keyOfPkcs11Seal(hsm, place, parameters, input.pin, input.unwatched);
  if (input.passphrase === undefined) return needs(parameters.kind, '/passphrase');
  return await keyOfPassphrase(parameters, input.passphrase);
}

/** What is wrong with the file is for whoever may unseal or change the seal: he has to mend it. */
export function usingFile<T>(code: 'INVALID_INPUT' | 'UNSEAL_REFUSED', work: () => T): T | Refusal {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof KeyFileError)) throw error;
    return refuse(code, error.message);
  }
}

export function needs(kind: SealParameters['kind'], field: string): Refusal {
  return refuse('INVALID_INPUT', `This seal takes ${SEAL_NEEDS[kind]}.`, field);
}
