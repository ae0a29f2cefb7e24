import type { NewPublicKey } from '@keyhold/protocol/operations/credentials';
import { possessionStatement } from '@keyhold/protocol/possession';
import type { PublicKeyAlgorithm } from '@keyhold/protocol/state';
import { type CryptoKey, importPrivateKey, type SigningKey, signWith } from './signing-key.ts';

type PrivateKeyAlgorithm = Extract<SigningKey, { kind: 'private' }>['algorithm'];

/** A key pair that was made here; its private half reaches nobody. */
export interface LocalKey {
  readonly algorithm: PublicKeyAlgorithm;
  /** PKCS#8 in PEM. */
  readonly privateKey: string;
  /** SubjectPublicKeyInfo, DER as hex. */
  readonly publicKey: string;
}

/** What proves possession, see {@link possessionStatement}. Requests may be signed otherwise, as their dialect has it. */
const PROVES_WITH: Readonly<Record<PublicKeyAlgorithm, PrivateKeyAlgorithm>> = {
  ed25519: 'ed25519',
  'ecdsa-p256': 'ecdsa-p256-sha256',
  rsa: 'rsa-pss-sha512',
};

/** RSA: 128 bits of security (NIST SP 800-57 part 1 §5.6.1), exponent 65537. */
const MADE_AS = {
  ed25519: { name: 'Ed25519' },
  'ecdsa-p256': { name: 'ECDSA', namedCurve: 'P-256' },
  rsa: { name: 'RSA-PSS', modulusLength: 3072, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-512' },
} as const;

/** Makes a key pair with WebCrypto, for a credential of the kind `public-key`. */
export async function generateSigningKey(algorithm: PublicKeyAlgorithm): Promise<LocalKey> {
  const made = await crypto.subtle.generateKey(MADE_AS[algorithm], true, ['sign', 'verify']);
  const { privateKey, publicKey } = made as { privateKey: CryptoKey; publicKey: CryptoKey };
  const pkcs8 = new Uint8Array(await crypto.subtle.exportKey('pkcs8', privateKey));
  const spki = new Uint8Array(await crypto.subtle.exportKey('spki', publicKey));
  return { algorithm, privateKey: toPem(pkcs8), publicKey: toHex(spki) };
}

/** For whom a key is meant, so that a proof is of no use to somebody else. */
export interface Meant {
  /** `project/environment` */
  readonly environment: string;
  /** Consumer that the key is issued to, or key that is rotated. */
  readonly holder: string;
  /** Epoch milliseconds; default: this machine's clock. A proof is good for ten minutes. */
  readonly now?: () => number;
}

/**
 * What `keys.issue` and `keys.rotate` take as credential.
 * @throws DOMException where the private key is no such key
 */
export async function provePossession(key: LocalKey, { environment, holder, now }: Meant): Promise<NewPublicKey> {
  const { algorithm, privateKey, publicKey } = key;
  const at = new Date((now ?? Date.now)()).toISOString();
  const statement = new Uint8Array(possessionStatement({ environment, holder, publicKey, at }));
  const provesWith = PROVES_WITH[algorithm];
  const signature = await signWith(await importPrivateKey(privateKey, provesWith), provesWith, statement);
  return { kind: 'public-key', publicKey, proof: { at, signature: btoa(String.fromCharCode(...signature)) } };
}

function toPem(bytes: Uint8Array): string {
  const lines = btoa(String.fromCharCode(...bytes)).match(/.{1,64}/g) ?? [];
  return ['-----BEGIN PRIVATE KEY-----', ...lines, '-----END PRIVATE KEY-----', ''].join('\n');
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
