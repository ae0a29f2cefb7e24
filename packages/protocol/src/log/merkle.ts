/** Merkle trees of RFC 6962 §2.1. They are hashed with a function that is handed in, since this runs anywhere. */

/** SHA-256 of some bytes: 32 bytes. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

export const HASH_BYTES = 32;

/**
 * What is hashed is put together here: making an array for each hash costs as much as the hash.
 * INVARIANT: nothing is awaited between writing it and hashing it, and a hash function keeps nothing of its input.
 */
const NODE = new Uint8Array(1 + 2 * HASH_BYTES).fill(1, 0, 1);
const LEAF = new Uint8Array(1 + 16 * 1024);

/** SHA-256(00 ‖ entry) */
export function leafHash(sha256: Sha256, entry: Uint8Array): Uint8Array {
  const bytes = entry.length < LEAF.length ? LEAF.subarray(0, 1 + entry.length) : new Uint8Array(1 + entry.length);
  bytes.set(entry, 1);
  return sha256(bytes);
}

/** SHA-256(01 ‖ left ‖ right) */
export function nodeHash(sha256: Sha256, left: Uint8Array, right: Uint8Array): Uint8Array {
  NODE.set(left, 1);
  NODE.set(right, 1 + HASH_BYTES);
  return sha256(NODE);
}

/**
 * All that has to be kept of a tree to go on with it: the roots of its perfect subtrees, the largest first, one for
 * each bit that is set in its size.
 */
export interface Frontier {
  readonly size: number;
  readonly nodes: readonly Uint8Array[];
}

export const EMPTY_FRONTIER: Frontier = { size: 0, nodes: [] };

/** The tree with these leaves behind it. */
export function appendLeaves(sha256: Sha256, tree: Frontier, leaves: readonly Uint8Array[]): Frontier {
  return appendNodes(sha256, tree, leaves, () => 1);
}

/**
 * The tree with these perfect subtrees behind it, where each begins at a multiple of its width.
 * @param widthOf leaves of the subtree of that index
 */
export function appendNodes(
  sha256: Sha256,
  { size, nodes }: Frontier,
  added: readonly Uint8Array[],
  widthOf: (index: number) => number,
): Frontier {
  const kept = [...nodes];
  let next = size;
  for (const [i, hash] of added.entries()) {
    const width = widthOf(i);
    let node = hash;
    // Two of the same height make one.
    for (let rest = next / width; rest % 2 === 1; rest = (rest - 1) / 2) {
      node = nodeHash(sha256, kept.pop() as Uint8Array, node);
    }
    kept.push(node);
    next += width;
  }
  return { size: next, nodes: kept };
}

/** MTH of the whole tree; of an empty one the hash of nothing. */
export function rootOf(sha256: Sha256, { nodes }: Frontier): Uint8Array {
  if (nodes.length === 0) return sha256(new Uint8Array(0));
  return foldNodes(sha256, nodes);
}

/** MTH of neighbouring perfect subtrees, the largest first. */
export function foldNodes(sha256: Sha256, nodes: readonly Uint8Array[]): Uint8Array {
  return nodes.reduceRight((right, left) => nodeHash(sha256, left, right));
}

/** MTH of 2^n neighbouring hashes, at least one. */
export function perfectRoot(sha256: Sha256, hashes: readonly Uint8Array[]): Uint8Array {
  const row = [...hashes];
  for (let width = row.length; width > 1; width /= 2) {
    for (let i = 0; i < width / 2; i++) {
      row[i] = nodeHash(sha256, row[2 * i] as Uint8Array, row[2 * i + 1] as Uint8Array);
    }
  }
  return row[0] as Uint8Array;
}

export function isSameHash(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
