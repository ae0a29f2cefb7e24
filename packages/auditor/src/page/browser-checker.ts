import { ed25519 } from '@noble/curves/ed25519.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { ml_dsa44 } from '@noble/post-quantum/ml-dsa.js';
import { SIGNATURE_TYPES } from '@keyhold/protocol/log/signed-note';
import type { Checker } from '../check-receipt.ts';

/** Hashes and signatures where there is no `node:crypto`: browsers have no ML-DSA, and no hash that answers at once. */
export const BROWSER_CHECKER: Checker = {
  sha256: (bytes) => sha256(bytes),
  verify: ({ type, publicKey }, message, signature) => {
    try {
      return type === SIGNATURE_TYPES.mlDsa44
        ? ml_dsa44.verify(signature, message, publicKey)
        : ed25519.verify(signature, message, publicKey, { zip215: false });
    } catch {
      // What is no signature at all, or no key.
      return false;
    }
  },
};
