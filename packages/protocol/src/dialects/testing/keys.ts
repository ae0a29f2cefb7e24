import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  timingSafeEqual,
  verify,
} from 'node:crypto';
import type { BasePart, SignatureAlgorithm, SignedClaim, SigningTask } from '../dialect.ts';

/** A credential of a test: the text of a secret, or a private key. */
export type TestKey = { readonly secret: string } | { readonly privateKey: KeyObject };

const RSA = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const ED25519 = generateKeyPairSync('ed25519').privateKey;
const P256 = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
const SECRET = Buffer.alloc(64, 'keyhold test').toString('base64');

/** One key for each algorithm; secrets are good in both encodings. */
export function keyFor(algorithm: SignatureAlgorithm): TestKey {
  if (algorithm.startsWith('hmac')) return { secret: SECRET };
  if (algorithm.startsWith('rsa')) return { privateKey: RSA };
  return { privateKey: algorithm === 'ed25519' ? ED25519 : P256 };
}

export function pem(algorithm: SignatureAlgorithm): string {
  const key = keyFor(algorithm);
  if (!('privateKey' in key)) return key.secret;
  // As Coinbase hands its EC keys out, and as ccxt reads them.
  const type = algorithm === 'ecdsa-p256-sha256' ? 'sec1' : 'pkcs8';
  return String(key.privateKey.export({ type, format: 'pem' }));
}

/** The bytes that are signed. */
export function flatten(base: readonly BasePart[]): Buffer {
  return Buffer.concat(
    base.map((part) => {
      if (part instanceof Uint8Array) return part;
      if (typeof part === 'string') return Buffer.from(part);
      const digest = createHash('sha256').update(part.sha256).digest();
      return part.hex === true ? Buffer.from(digest.toString('hex')) : digest;
    }),
  );
}

/** What a verifier does, with `node:crypto`. */
export function isSignedWith(key: TestKey, claim: SignedClaim, algorithm = claim.algorithms[0]): boolean {
  const bytes = flatten(claim.base);
  if ('secret' in key) {
    const expected = hmac(key.secret, claim, algorithm, bytes);
    return expected.length === claim.signature.length && timingSafeEqual(expected, claim.signature);
  }
  const publicKey = createPublicKey(key.privateKey);
  if (algorithm === 'ed25519') return verify(null, bytes, publicKey, claim.signature);
  const dsaEncoding = claim.ecdsaEncoding ?? 'der';
  return verify('sha256', bytes, { key: publicKey, dsaEncoding }, claim.signature);
}

/** What a client does. */
export function signWith(key: TestKey, task: SigningTask, algorithm: SignatureAlgorithm): Uint8Array {
  const bytes = flatten(task.base);
  if ('secret' in key) return hmac(key.secret, task, algorithm, bytes);
  if (algorithm === 'ed25519') return sign(null, bytes, key.privateKey);
  return sign('sha256', bytes, { key: key.privateKey, dsaEncoding: task.ecdsaEncoding ?? 'der' });
}

function hmac(
  secret: string,
  { secretEncoding }: Pick<SigningTask, 'secretEncoding'>,
  algorithm: SignatureAlgorithm | undefined,
  bytes: Uint8Array,
): Buffer {
  const hash = algorithm === 'hmac-sha512' ? 'sha512' : 'sha256';
  return createHmac(hash, Buffer.from(secret, secretEncoding)).update(bytes).digest();
}

/** An Ed25519 key as Coinbase hands it out: seed and public key, in Base 64. */
export function cdpSecret(): string {
  const { d, x } = createPrivateKey(pem('ed25519')).export({ format: 'jwk' });
  return Buffer.concat([Buffer.from(d ?? '', 'base64url'), Buffer.from(x ?? '', 'base64url')]).toString('base64');
}
