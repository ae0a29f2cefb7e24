import type { Checker } from './check-receipt.ts';
import { sha256, verifySignature } from './note-crypto.ts';

/** Hashes and signatures by `node:crypto`. */
export const NODE_CHECKER: Checker = { sha256, verify: verifySignature };
