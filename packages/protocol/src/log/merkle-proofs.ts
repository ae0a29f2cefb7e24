import { HASH_BYTES, isSameHash, nodeHash, type Sha256 } from './merkle.ts';

/** What an inclusion proof shows: this leaf lies at `index` of the tree of `size` leaves with this root. */
export interface Inclusion {
  readonly index: number;
  readonly size: number;
  readonly leafHash: Uint8Array;
  readonly root: Uint8Array;
}

/** What a consistency proof shows: the first tree is how the second one began. */
export interface Consistency {
  readonly from: { readonly size: number; readonly root: Uint8Array };
  readonly to: { readonly size: number; readonly root: Uint8Array };
}

/** Whether the proof shows it (RFC 9162 §2.1.3.2). */
export function verifyInclusion(sha256: Sha256, claim: Inclusion, proof: readonly Uint8Array[]): boolean {
  const { index, size, leafHash, root } = claim;
  if (!isCount(index) || !isCount(size) || index >= size) return false;
  if (![leafHash, root, ...proof].every(isHash)) return false;
  let [node, last] = [index, size - 1];
  let hash = leafHash;
  for (const sibling of proof) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(sha256, sibling, hash);
      while (node % 2 === 0 && node !== 0) [node, last] = [node / 2, half(last)];
    } else {
      hash = nodeHash(sha256, hash, sibling);
    }
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && isSameHash(hash, root);
}

/**
 * Whether the proof shows it (RFC 9162 §2.1.4.2). False from an empty tree: anything begins with nothing, so nothing is
 * shown.
 */
export function verifyConsistency(sha256: Sha256, { from, to }: Consistency, proof: readonly Uint8Array[]): boolean {
  if (!isCount(from.size) || !isCount(to.size) || from.size === 0 || from.size > to.size) return false;
  if (from.size === to.size) return proof.length === 0 && isSameHash(from.root, to.root);
  if (![from.root, to.root, ...proof].every(isHash)) return false;
  const [first, ...rest] = isPowerOfTwo(from.size) ? [from.root, ...proof] : proof;
  if (first === undefined || proof.length === 0) return false;
  let [node, last] = [from.size - 1, to.size - 1];
  while (node % 2 === 1) [node, last] = [half(node), half(last)];
  let [older, newer] = [first, first];
  for (const sibling of rest) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      older = nodeHash(sha256, sibling, older);
      newer = nodeHash(sha256, sibling, newer);
      while (node % 2 === 0 && node !== 0) [node, last] = [node / 2, half(last)];
    } else {
      newer = nodeHash(sha256, newer, sibling);
    }
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && isSameHash(older, from.root) && isSameHash(newer, to.root);
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function isHash(bytes: Uint8Array): boolean {
  return bytes.length === HASH_BYTES;
}

function half(value: number): number {
  return Math.floor(value / 2);
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value)) && 2 ** Math.log2(value) === value;
}
