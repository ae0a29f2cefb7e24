import { constants, createHmac, hash, type KeyObject, timingSafeEqual, verify } from 'node:crypto';
import type { BasePart, SignatureAlgorithm, SignedClaim } from '@keyhold/protocol/dialects/dialect';

/** A base and what is said to be its signature. */
export type Signed = Pick<SignedClaim, 'base' | 'signature' | 'ecdsaEncoding'>;

/** Hash of each algorithm; null: it hashes by itself (RFC 8032). */
const HASHES: Readonly<Record<SignatureAlgorithm, string | null>> = {
  'hmac-sha256': 'sha256',
  'hmac-sha512': 'sha512',
  ed25519: null,
  'ecdsa-p256-sha256': 'sha256',
  'rsa-pss-sha512': 'sha512',
  'rsa-v1_5-sha256': 'sha256',
};

export function isHmac(algorithm: SignatureAlgorithm): algorithm is 'hmac-sha256' | 'hmac-sha512' {
  return algorithm.startsWith('hmac-');
}

/** Whether the signature is the key's of the base, decided at once. Compares in constant time. */
export function isSignedWith(key: KeyObject, algorithm: SignatureAlgorithm, signed: Signed): boolean {
  if (isHmac(algorithm)) return isHmacOf(key, HASHES[algorithm] as string, signed);
  try {
    return verify(HASHES[algorithm], bytesOf(signed.base), optionsFor(key, algorithm, signed), signed.signature);
  } catch {
    // A signature that is none at all, of a length that no key of this kind makes.
    return false;
  }
}

/** The same on another core: verifying a public key's signature takes as long as a thousand other verdicts. */
export function verifyElsewhere(key: KeyObject, algorithm: SignatureAlgorithm, signed: Signed): Promise<boolean> {
  return new Promise((resolve) => {
    const options = optionsFor(key, algorithm, signed);
    try {
      verify(HASHES[algorithm], bytesOf(signed.base), options, signed.signature, (error, valid) =>
        resolve(error === null && valid),
      );
    } catch {
      resolve(false);
    }
  });
}

function isHmacOf(key: KeyObject, hash: string, { base, signature }: Signed): boolean {
  const hmac = createHmac(hash, key);
  for (const part of base) {
    // A call into native code costs as much as the hash of a short text: none for nothing, and text goes as it is.
    if (typeof part === 'string') hmac.update(part, 'utf8');
    else if (!(part instanceof Uint8Array) || part.length > 0) hmac.update(resolved(part));
  }
  // By way of a string, which takes half the time of a Buffer (Node 24) and is nothing for the collector to free.
  const expected = Buffer.from(hmac.digest('binary'), 'latin1');
  return expected.length === signature.length && timingSafeEqual(expected, signature);
}

function optionsFor(key: KeyObject, algorithm: SignatureAlgorithm, { ecdsaEncoding = 'ieee-p1363' }: Signed) {
  switch (algorithm) {
    case 'ecdsa-p256-sha256':
      return { key, dsaEncoding: ecdsaEncoding };
    case 'rsa-pss-sha512':
      // RFC 9421 §3.3.1 signs with 64 bytes; some clients with all that fit, which is no weaker.
      return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO };
    case 'rsa-v1_5-sha256':
      return { key, padding: constants.RSA_PKCS1_PADDING };
    default:
      return key;
  }
}

/** All of a base as the bytes that were signed. */
export function bytesOf(base: readonly BasePart[]): Uint8Array {
  const [only] = base;
  return base.length === 1 && only !== undefined ? resolved(only) : Buffer.concat(base.map(resolved));
}

function resolved(part: BasePart): Uint8Array {
  if (part instanceof Uint8Array) return part;
  if (typeof part === 'string') return Buffer.from(part);
  const digest = hash('sha256', part.sha256, part.hex === true ? 'hex' : 'buffer');
  return typeof digest === 'string' ? Buffer.from(digest) : digest;
}
