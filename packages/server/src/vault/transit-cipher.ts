import { open } from '@keyhold/verifier/open-envelope';
import { createHmac, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { seal } from './aead.ts';

/** Ciphertexts and MACs as Vault writes them: `vault:v<version>:<base64>`. */
const PATTERN = /^vault:v([1-9]\d{0,8}):([A-Za-z0-9+/]+={0,2})$/;

export interface TransitText {
  readonly version: number;
  readonly bytes: Buffer;
}

function writeTransit({ version, bytes }: TransitText): string {
  return `vault:v${version}:${bytes.toString('base64')}`;
}

export function readTransit(text: string): TransitText | null {
  const [, version, base64 = ''] = PATTERN.exec(text) ?? [];
  return version === undefined ? null : { version: Number(version), bytes: Buffer.from(base64, 'base64') };
}

/** One version of a transit key. */
export interface TransitKey {
  /** Id of the key, which its ciphertexts are bound to. */
  readonly keyId: string;
  readonly version: number;
  readonly key: KeyObject;
}

export function transitEncrypt(under: TransitKey, plaintext: Uint8Array, associated: Uint8Array): string {
  return writeTransit({ version: under.version, bytes: seal(under.key, plaintext, bound(under, associated)) });
}

/** The plaintext, or null when it does not open. */
export function transitDecrypt(under: TransitKey, bytes: Uint8Array, associated: Uint8Array): Buffer | null {
  return open(under.key, bytes, bound(under, associated));
}

export const HMAC_ALGORITHMS: Readonly<Record<string, string>> = {
  'sha2-224': 'sha224',
  'sha2-256': 'sha256',
  'sha2-384': 'sha384',
  'sha2-512': 'sha512',
};

/** A key of its own for MACs: one key is not used in two algorithms (SP 800-57 part 1 §5.2). */
export function transitHmac({ keyId, version, key }: TransitKey, algorithm: string, input: Uint8Array): string {
  const derived = createSecretKey(
    Buffer.from(hkdfSync('sha256', key, Buffer.alloc(0), `keyhold/v1/transit-hmac/${keyId}`, 32)),
  );
  return writeTransit({ version, bytes: createHmac(algorithm, derived).update(input).digest() });
}

function bound({ keyId }: TransitKey, associated: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`keyhold/v1/transit/${keyId}\0`), associated]);
}
