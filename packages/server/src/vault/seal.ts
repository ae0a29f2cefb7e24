import type { SealKind } from '@keyhold/protocol/operations/seal';

/** What is stored of a seal, beside the wrapped root key: how its own key is made or recognised. Never a secret. */
export type SealParameters = FileParameters | PassphraseParameters | ShamirParameters | Pkcs11Parameters;

/** As they lie in the seal's row. */
export type StoredParameters = SealParameters & {
  /** Key files of seals before, until they are known to be gone. */
  readonly formerFiles?: readonly FormerFile[];
};

export interface FormerFile {
  /** Recognises it. */
  readonly check: string;
  /** Where it lay. */
  readonly path: string;
}

export interface FileParameters {
  readonly kind: 'file';
  /** Recognises the key file. */
  readonly check: string;
}

export interface PassphraseParameters {
  readonly kind: 'passphrase';
  readonly memoryKiB: number;
  readonly passes: number;
  readonly parallelism: number;
  /** Hex. */
  readonly salt: string;
}

export interface ShamirParameters {
  readonly kind: 'shamir';
  readonly shares: number;
  readonly threshold: number;
  /** Names the set that a share belongs to. */
  readonly set: string;
  /** SHA-256 of each share, so that a wrong one is named when it is given and not when all fail together. */
  readonly digests: readonly string[];
}

export interface Pkcs11Parameters {
  readonly kind: 'pkcs11';
  /** Path of the library of the HSM's maker. */
  readonly module: string;
  readonly tokenLabel: string;
  readonly keyLabel: string;
  /** Where the PIN lies, so that a start opens the seal by itself; null: it is given each time. */
  readonly pinFile: string | null;
  /** The seal's key, encrypted by the key in the token, hex: commitment, nonce, ciphertext and tag. */
  readonly wrappedKey: string;
}

/** In words, for whoever has to open it. */
export const SEAL_NEEDS: Readonly<Record<SealKind, string>> = {
  file: 'the key file',
  passphrase: 'the passphrase',
  shamir: 'shares of the key',
  pkcs11: 'the key in the token',
};
