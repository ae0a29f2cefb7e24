import { constants, createPublicKey, publicEncrypt } from 'node:crypto';
import { type Refusal, refuse } from '@keyhold/protocol/errors';
import { distributionLabel } from '@keyhold/protocol/verification-messages';
import type { WrappingKey } from '@keyhold/verifier/open-envelope';

const MIN_RSA_BITS = 3072;

/**
 * Wraps a key to a verifier's own key pair: RSA-OAEP with SHA-256 (RFC 8017 §7.1), labelled with the key that it is.
 * @param wrapTo SubjectPublicKeyInfo, DER as hex
 */
export function wrapForVerifier({ id, key }: WrappingKey, wrapTo: string): string | Refusal {
  const recipient = readRecipient(wrapTo);
  if (recipient === null)
    return refuse('INVALID_INPUT', `This is no RSA key of ${MIN_RSA_BITS} bits or more.`, 'wrapTo');
  const bytes = key.export();
  const options = { key: recipient, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' };
  const wrapped = publicEncrypt({ ...options, oaepLabel: Buffer.from(distributionLabel(id)) }, bytes);
  bytes.fill(0);
  return wrapped.toString('hex');
}

function readRecipient(wrapTo: string) {
  try {
    const key = createPublicKey({ key: Buffer.from(wrapTo, 'hex'), format: 'der', type: 'spki' });
    const bits = key.asymmetricKeyType === 'rsa' ? (key.asymmetricKeyDetails?.modulusLength ?? 0) : 0;
    return bits >= MIN_RSA_BITS && bits <= 2 * MIN_RSA_BITS ? key : null;
  } catch {
    return null;
  }
}
