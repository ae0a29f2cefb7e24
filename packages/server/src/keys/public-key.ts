import { createPublicKey, type KeyObject } from 'node:crypto';
import { type Refusal, refuse } from '@keyhold/protocol/errors';
import type { NewPublicKey } from '@keyhold/protocol/operations/credentials';
import { POSSESSION_WINDOW_MS, possessionStatement } from '@keyhold/protocol/possession';
import type { SignatureAlgorithm } from '@keyhold/protocol/dialects/dialect';
import type { PublicKeyAlgorithm } from '@keyhold/protocol/state';
import { isSignedWith } from '@keyhold/verifier/verify-signature';

const MIN_RSA_BITS = 2048;
/** Beyond it every verification costs what a flood would. */
const MAX_RSA_BITS = 4096;
const MIN_RSA_EXPONENT = 65_537n;

interface Holder {
  readonly environment: string;
  readonly holder: string;
}

interface ReadPublicKey {
  readonly algorithm: PublicKeyAlgorithm;
  /** SubjectPublicKeyInfo, DER as lower-case hex: the one form that it is stored in. */
  readonly publicKey: string;
}

/** Reads a consumer's public key and checks that he has the private one. */
export function readPublicKey(
  { publicKey: text, proof }: NewPublicKey,
  { environment, holder }: Holder,
  nowMs: number,
): ReadPublicKey | Refusal {
  const key = parse(text);
  const algorithm = key === null ? null : algorithmOf(key);
  if (key === null || algorithm === null) {
    const detail = `Send an Ed25519, ECDSA P-256 or RSA key (${MIN_RSA_BITS} to ${MAX_RSA_BITS} bits, exponent 65537 or above) as PEM (SPKI), or its DER as hex.`;
    return refuse('INVALID_INPUT', detail, '/credential/publicKey');
  }
  const publicKey = key.export({ type: 'spki', format: 'der' }).toString('hex');
  if (Math.abs(nowMs - Date.parse(proof.at)) > POSSESSION_WINDOW_MS) {
    return refuse(
      'POSSESSION_UNPROVEN',
      'The proof is older than ten minutes, or of the future: make a new one.',
      '/credential/proof/at',
    );
  }
  const statement = possessionStatement({ environment, holder, publicKey, at: proof.at });
  const claim = { base: [statement], signature: Buffer.from(proof.signature, 'base64') };
  if (isSignedWith(key, PROVEN_WITH[algorithm], claim)) return { algorithm, publicKey };
  const detail = `The signature is not this key's of the possession statement for ${environment} and ${holder}.`;
  return refuse('POSSESSION_UNPROVEN', detail, '/credential/proof/signature');
}

const PROVEN_WITH: Readonly<Record<PublicKeyAlgorithm, SignatureAlgorithm>> = {
  ed25519: 'ed25519',
  'ecdsa-p256': 'ecdsa-p256-sha256',
  rsa: 'rsa-pss-sha512',
};

/** Null where it is none, or a private key: that must not come here, and is not taken. */
function parse(text: string): KeyObject | null {
  try {
    if (/^[0-9a-fA-F]+$/.test(text)) {
      return createPublicKey({ key: Buffer.from(text, 'hex'), format: 'der', type: 'spki' });
    }
    return /^\s*-----BEGIN PUBLIC KEY-----/.test(text) ? createPublicKey(text) : null;
  } catch {
    return null;
  }
}

function algorithmOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): PublicKeyAlgorithm | null {
  if (asymmetricKeyType === 'ed25519') return 'ed25519';
  if (asymmetricKeyType === 'ec') return asymmetricKeyDetails?.namedCurve === 'prime256v1' ? 'ecdsa-p256' : null;
  if (asymmetricKeyType !== 'rsa') return null;
  const { modulusLength = 0, publicExponent = 0n } = asymmetricKeyDetails ?? {};
  const fit = modulusLength >= MIN_RSA_BITS && modulusLength <= MAX_RSA_BITS && publicExponent >= MIN_RSA_EXPONENT;
  return fit ? 'rsa' : null;
}
