// Types alone: nothing of Node is loaded.
import type { webcrypto } from 'node:crypto';
import type { SignatureAlgorithm } from '@keyhold/protocol/dialects/dialect';

export type CryptoKey = webcrypto.CryptoKey;

/** What a client signs with; WebCrypto only, so that it runs in browsers, workers, Deno, Bun and Node alike. */
export type SigningKey =
  | { readonly kind: 'hmac' /** As it was shown. */; readonly secret: string }
  | {
      readonly kind: 'private';
      readonly algorithm: Exclude<SignatureAlgorithm, `hmac-${string}`>;
      /** PKCS#8 in PEM, or a key of WebCrypto that may sign. */
      readonly key: string | CryptoKey;
    };

type Import = webcrypto.RsaHashedImportParams | webcrypto.EcKeyImportParams | { readonly name: string };

const IMPORTS: Readonly<Record<Exclude<SignatureAlgorithm, `hmac-${string}`>, Import>> = {
  ed25519: { name: 'Ed25519' },
  'ecdsa-p256-sha256': { name: 'ECDSA', namedCurve: 'P-256' },
  'rsa-pss-sha512': { name: 'RSA-PSS', hash: 'SHA-512' },
  'rsa-v1_5-sha256': { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
};

const SIGNS: Readonly<
  Record<SignatureAlgorithm, webcrypto.AlgorithmIdentifier | webcrypto.RsaPssParams | webcrypto.EcdsaParams>
> = {
  'hmac-sha256': 'HMAC',
  'hmac-sha512': 'HMAC',
  ed25519: 'Ed25519',
  'ecdsa-p256-sha256': { name: 'ECDSA', hash: 'SHA-256' },
  // RFC 9421 §3.3.1: the salt is as long as the hash.
  'rsa-pss-sha512': { name: 'RSA-PSS', saltLength: 64 },
  'rsa-v1_5-sha256': 'RSASSA-PKCS1-v1_5',
};

/**
 * Reads a private key once, for any number of signatures.
 * @throws DOMException where it is no such key
 */
export async function importPrivateKey(pem: string, algorithm: Exclude<SignatureAlgorithm, `hmac-${string}`>) {
  return await crypto.subtle.importKey('pkcs8', bytesOfPem(pem), IMPORTS[algorithm], false, ['sign']);
}

/**
 * Reads the public key of another, SubjectPublicKeyInfo in PEM.
 * @throws DOMException where it is no such key
 */
export async function importPublicKey(pem: string, algorithm: Exclude<SignatureAlgorithm, `hmac-${string}`>) {
  return await crypto.subtle.importKey('spki', bytesOfPem(pem), IMPORTS[algorithm], false, ['verify']);
}

function bytesOfPem(pem: string): Uint8Array<ArrayBuffer> {
  const base64 = pem.replace(/-----[A-Z ]+-----|\s/g, '');
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/** The HMAC key that a secret is for one dialect. */
export async function importSecret(secret: string, encoding: 'utf8' | 'base64', algorithm: SignatureAlgorithm) {
  const bytes =
    encoding === 'utf8'
      ? new TextEncoder().encode(secret)
      : Uint8Array.from(atob(secret), (character) => character.charCodeAt(0));
  const hash = algorithm === 'hmac-sha512' ? 'SHA-512' : 'SHA-256';
  return await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash }, false, ['sign']);
}

export async function signWith(key: CryptoKey, algorithm: SignatureAlgorithm, bytes: Uint8Array<ArrayBuffer>) {
  return new Uint8Array(await crypto.subtle.sign(SIGNS[algorithm], key, bytes));
}

export async function verifyWith(
  key: CryptoKey,
  algorithm: SignatureAlgorithm,
  signature: Uint8Array,
  bytes: Uint8Array,
): Promise<boolean> {
  return await crypto.subtle.verify(SIGNS[algorithm], key, new Uint8Array(signature), new Uint8Array(bytes));
}

export async function digest(algorithm: 'sha-256' | 'sha-512', bytes: Uint8Array): Promise<Uint8Array> {
  const name = algorithm === 'sha-256' ? 'SHA-256' : 'SHA-512';
  return new Uint8Array(await crypto.subtle.digest(name, new Uint8Array(bytes)));
}
