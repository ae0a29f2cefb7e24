import { constants, createPublicKey, type KeyObject, verify, type VerifyKeyObjectInput } from 'node:crypto';
import type { VerifyEvidence } from './check-evidence.ts';

/**
 * A consumer's public key, as PEM or as hex of its SubjectPublicKeyInfo; null where it is none that signs requests.
 */
export function readPublicKey(text: string): KeyObject | null {
  const trimmed = text.trim();
  try {
    return /^[0-9a-f]+$/i.test(trimmed)
      ? createPublicKey({ key: Buffer.from(trimmed, 'hex'), format: 'der', type: 'spki' })
      : createPublicKey(trimmed);
  } catch {
    return null;
  }
}

/** By every way in which a dialect signs with such a key: none of them makes a signature of another base good. */
export function verifierOf(key: KeyObject): VerifyEvidence {
  return (base, signature) =>
    waysOf(key).some(([hash, input]) => {
      try {
        return verify(hash, base, input, signature);
      } catch {
        return false;
      }
    });
}

function waysOf(key: KeyObject): (readonly [hash: string | null, input: KeyObject | VerifyKeyObjectInput])[] {
  switch (key.asymmetricKeyType) {
    case 'ed25519':
      return [[null, key]];
    case 'ec':
      return [
        ['sha256', { key, dsaEncoding: 'ieee-p1363' }],
        ['sha256', { key, dsaEncoding: 'der' }],
      ];
    case 'rsa':
      return [
        ['sha512', { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO }],
        ['sha256', { key, padding: constants.RSA_PKCS1_PADDING }],
      ];
    default:
      return [];
  }
}
