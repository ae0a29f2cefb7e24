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
  const leaf: unknown = JSON.parse(text);
  // First of all, also so that what is nested without end is not followed.
  refuseOtherShapes(leaf);
  if (canonicalJson(leaf as unknown as Json) !== text) throw new TypeError('the leaf is not canonical JSON');
  return leaf;
}

const isText = (value: unknown) => typeof value === 'string';
const isDigest = (value: unknown) => value === null || (typeof value === 'string' && /^[0-9a-f]{64}$/.test(value));
const isSequence = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 1;
const isVersion = (value: unknown) => value === 1;

type Shape<T> = { readonly [name in keyof Required<T>]: (value: unknown) => boolean };

const CHANGE: Shape<RowChange> = { id: isText, before: isDigest, after: isDigest };
const LEAF: Shape<Leaf> = {
  v: isVersion,
  installation: isText,
  sequence: isSequence,
  id: isText,
  at: isText,
  previous: isDigest,
  actor: isText,
  action: isText,
  subject: isText,
  project: isText,
  environment: isText,
  code: isText,
  changes: (value) => Array.isArray(value) && value.every((change) => strayField(change, CHANGE, []) === null),
  side: isDigest,
};
const OPTIONAL: readonly string[] = ['project', 'environment', 'code'] satisfies (keyof Leaf)[];

/** @throws TypeError where it has not exactly the fields of a leaf, each of its type */
function refuseOtherShapes(value: unknown): asserts value is Leaf {
  if ((value as Leaf | null)?.v !== 1) throw new TypeError('not a leaf of version 1');
  const stray = strayField(value, LEAF, OPTIONAL);
  if (stray !== null) throw new TypeError(`"${stray}" is not what a leaf has there`);
}

/** Name of a field that is missing, unknown or not of its type; empty where it is no object; null where all is well. */
function strayField<T>(value: unknown, shape: Shape<T>, optional: readonly string[]): string | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return '';
  for (const name in value) if (!Object.hasOwn(shape, name)) return name;
  for (const name in shape) {
    const isThere = Object.hasOwn(value, name);
    const fits = isThere ? shape[name]((value as Partial<T>)[name]) : optional.includes(name);
    if (!fits) return name;
  }
  return null;
}
