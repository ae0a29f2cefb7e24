import { decodeLeaf, type Leaf } from '@keyhold/protocol/leaf';
import { leafHash, type Sha256 } from '@keyhold/protocol/log/merkle';
import { verifyInclusion } from '@keyhold/protocol/log/merkle-proofs';
import { readReceipt } from '@keyhold/protocol/log/receipt';
import type { VerifySignature } from '@keyhold/protocol/log/signed-message';
import type { TrustPolicy } from '@keyhold/protocol/log/trust-policy';
import { type CheckedCheckpoint, checkCheckpoint } from './check-checkpoint.ts';
import { compareToOrigin } from './installation-of.ts';

/** What hashes and checks signatures, in Node or in a browser. */
export interface Checker {
  readonly sha256: Sha256;
  readonly verify: VerifySignature;
}

/** A receipt that holds, with the entry that it is of. */
export interface CheckedReceipt extends CheckedCheckpoint {
  readonly leaf: Leaf;
  /** The entry, byte for byte. */
  readonly text: string;
  readonly index: number;
}

/** Checks a receipt against what is trusted; a text says why it proves nothing. */
export function checkReceipt({ sha256, verify }: Checker, trust: TrustPolicy, text: string): CheckedReceipt | string {
  const receipt = readReceipt(text);
  if (receipt === null) return 'this is no receipt (c2sp.org/tlog-proof@v1)';
  const { extra, index, proof } = receipt;
  if (extra === null) return 'the receipt does not carry its entry';
  const leaf = readLeaf(extra);
  if (typeof leaf === 'string') return leaf;
  const checked = checkCheckpoint(verify, trust, receipt.checkpoint);
  if (typeof checked === 'string') return checked;
  const { size, root } = checked.checkpoint;
  if (leaf.sequence !== index + 1) return 'the entry names another place than the one that is proven';
  if (!verifyInclusion(sha256, { index, size, root, leafHash: leafHash(sha256, extra) }, proof)) {
    return 'the proof does not lead from the entry to the checkpoint: one of them is another';
  }
  const foreign = compareToOrigin(leaf.installation, checked.checkpoint.origin);
  if (foreign !== null) return foreign;
  return { ...checked, leaf, text: new TextDecoder().decode(extra), index };
}

function readLeaf(bytes: Uint8Array): Leaf | string {
  try {
    return decodeLeaf(bytes);
  } catch (error) {
    return `the entry cannot be read: ${(error as Error).message}`;
  }
}
