import { hash } from 'node:crypto';
import { MAX_EVIDENCE_BYTES, type SignatureEvidence } from '@keyhold/protocol/verification-messages';
import type { SignedRequest } from './last-step.ts';
import { bytesOf } from './verify-signature.ts';

/** What anybody can verify later with the consumer's public key: who asked for what. */
export function evidenceOf({ claim, dialect }: SignedRequest): SignatureEvidence {
  const base = Buffer.from(bytesOf(claim.base));
  const signature = Buffer.from(claim.signature).toString('base64');
  // An entry is no place for a large body: whoever has that has the base too, and the digest says that it is this one.
  return base.length > MAX_EVIDENCE_BYTES
    ? { dialect, baseDigest: hash('sha256', base, 'hex'), signature }
    : { dialect, base: base.toString('base64'), signature };
}
