import type { SealKind } from '@keyhold/protocol/operations/seal';

/** What is stored of a seal, beside the wrapped root key: how its own key is made or recognised. Never a secret. */
export type SealParameters = FileParameters | PassphraseParameters | ShamirParameters;

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

/** In words, for whoever has to open it. */
export const SEAL_NEEDS: Readonly<Record<SealKind, string>> = {
  file: 'the key file',
  passphrase: 'the passphrase',
  shamir: 'shares of the key',
};
