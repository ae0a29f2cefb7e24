import type { FieldLine, SignatureAlgorithm } from '@keyhold/protocol/dialects/dialect';
import type { DialectSettings } from '@keyhold/protocol/dialects/settings';

/** A secret, or a pair of keys in PEM; every one of them is published as a test vector. */
export interface VectorKey {
  readonly source: string;
  readonly secret?: string;
  readonly privateKey?: string;
  readonly publicKey?: string;
}

export type KeyName = 'test-shared-secret' | 'test-key-ed25519' | 'test-key-ecc-p256' | 'test-key-rsa';

/** Text is UTF-8; what is no text is Base 64. */
export type VectorBody = string | { readonly base64: string };

export interface VectorRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly FieldLine[];
  readonly body: VectorBody;
}

export interface VectorSigner {
  readonly dialect: DialectSettings;
  readonly credential: string;
  readonly key: KeyName;
  /** Of private keys; with a secret it follows from the dialect. */
  readonly algorithm?: Exclude<SignatureAlgorithm, `hmac-${string}`>;
  readonly passphrase?: string;
  readonly otp?: string;
  readonly nowMs: number;
  /** `rising` as digits: it may be above 2⁵³. */
  readonly nonce: { readonly text: string; readonly rising: string };
}

/** What is to be signed, or cannot be. */
export interface VectorCase {
  readonly name: string;
  readonly signer: VectorSigner;
  readonly request: VectorRequest;
}

/** What came of it. */
export interface Vector extends VectorCase {
  /** Not so of ECDSA and RSA-PSS: there `signature` is one of many that are good over `base`. */
  readonly deterministic: boolean;
  /** What is signed, in Base 64. */
  readonly base: string;
  /** In Base 64. */
  readonly signature: string;
  readonly signed: VectorRequest;
}

export interface VectorFile {
  readonly about: string;
  readonly vectors: readonly Vector[];
  readonly refused: readonly VectorCase[];
}
