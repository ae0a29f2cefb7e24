import { canonicalJson, type Json } from './canonical-json.ts';

/**
 * One line of the ledger: canonical JSON (RFC 8785), versioned, at most 16 KiB. Its bytes are forever, so it carries
 * ids, codes and digests only; whatever must be erasable lies in a side row that `side` commits to.
 */
export interface Leaf {
  readonly v: 1;
  readonly installation: string;
  /** 1-based, without gaps. */
  readonly sequence: number;
  readonly id: string;
  /** RFC 3339 UTC, by the control plane's clock. */
  readonly at: string;
  /** Lower-case hex SHA-256 of the previous leaf's bytes; null in the first. */
  readonly previous: string | null;
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
  readonly project?: string;
  readonly environment?: string;
  /** Reason or outcome code, where the action has one. */
  readonly code?: string;
  /** Every changed row: SHA-256(the row's own 32 random bytes ‖ JCS of the row), null where no row is. */
  readonly changes: readonly RowChange[];
  /** SHA-256(32 random bytes ‖ JCS of the side row), null where there is none. */
  readonly side: string | null;
}

/** One row's digests around an entry, lower-case hex. */
export interface RowChange {
  readonly id: string;
  readonly before: string | null;
  readonly after: string | null;
}

/** Longest leaf, in bytes. */
export const MAX_LEAF_BYTES = 16 * 1024;

/** UTF-8 takes at most three bytes for a UTF-16 code unit. */
const MAX_BYTES_OF_UNIT = 3;

/**
 * The text whose UTF-8 bytes are the leaf.
 * @throws RangeError when longer than {@link MAX_LEAF_BYTES}.
 */
export function writeLeaf(leaf: Leaf): string {
  const text = canonicalJson(leaf as unknown as Json);
  if (text.length * MAX_BYTES_OF_UNIT <= MAX_LEAF_BYTES) return text;
  const { length } = new TextEncoder().encode(text);
  if (length > MAX_LEAF_BYTES) throw new RangeError(`a leaf has ${length} bytes; ${MAX_LEAF_BYTES} is the most`);
  return text;
}

/**
 * Reads a leaf back.
 * @throws SyntaxError or TypeError when the bytes are not a leaf of version 1 in canonical form.
 */
export function decodeLeaf(bytes: Uint8Array): Leaf {
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  const leaf = JSON.parse(text) as Leaf;
  if (leaf.v !== 1) throw new TypeError('not a leaf of version 1');
  if (canonicalJson(leaf as unknown as Json) !== text) throw new TypeError('the leaf is not canonical JSON');
  return leaf;
}
