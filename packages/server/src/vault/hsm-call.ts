import type { ErrorCode } from '@keyhold/protocol/errors';

/** One use of the key that stays in a token, as it is asked of the process that talks to it. */
export interface HsmCall {
  /** `encrypt` makes the key where there is none of that label, and shows that what it gives opens again. */
  readonly action: 'encrypt' | 'decrypt';
  /** PKCS#11 library of the HSM's maker. */
  readonly module: string;
  readonly tokenLabel: string;
  readonly keyLabel: string;
  readonly pin: string;
  /** Nobody waits for the answer: the last try that a token leaves is not spent. */
  readonly unwatched?: boolean;
  readonly nonce: Uint8Array;
  readonly associated: Uint8Array;
  readonly data: Uint8Array;
}

export type HsmFailure = Extract<ErrorCode, `HSM_${string}`> | 'UNSEAL_REFUSED';

/** Says nothing of PIN or key. */
export type HsmAnswer = { readonly bytes: Uint8Array } | { readonly failed: HsmFailure; readonly detail: string };

/** What went wrong in a call, in words for whoever runs the HSM. */
export class HsmError extends Error {
  override readonly name = 'HsmError';
  readonly failed: HsmFailure;

  constructor(failed: HsmFailure, detail: string) {
    super(detail);
    this.failed = failed;
  }
}
