import { decodeLeaf, type Leaf, MAX_LEAF_BYTES } from '@keyhold/protocol/leaf';
import { appendLeaves, EMPTY_FRONTIER, type Frontier, leafHash, type Sha256 } from '@keyhold/protocol/log/merkle';
import type { Entry } from '@keyhold/protocol/operations/audit';
import { RowDigests } from './row-digests.ts';
import { sideProblem, toHex } from './side-check.ts';

/** The first thing that is not as it must be. */
export interface ChainFault {
  /** Where an entry was expected. */
  readonly sequence: number;
  readonly detail: string;
}

/** A change that did not start from what the entry before had left: somebody wrote past the ledger. */
export interface EditedRow {
  readonly sequence: number;
  readonly row: string;
}

/** Follows the chain entry by entry, from the first or from where it is told, and stops at the first fault. */
export class ChainCheck {
  installation: string | null = null;
  /** Sequence of the entry before the first. */
  readonly begun: number;
  /** Sequence of the last entry that holds. */
  last: number;
  hash: string | null = null;
  fault: ChainFault | null = null;
  /** Over all entries so far. */
  tree: Frontier;
  /** Entries whose side is shown and is what the leaf commits to. */
  sides = 0;
  /** Entries whose leaf commits to a side that is not shown any more. */
  erasedSides = 0;
  readonly edited: EditedRow[] = [];
  readonly #rows: RowDigests;
  readonly #sha256: Sha256;

  /** @param before the tree of all entries before the first; none of them is followed */
  constructor(sha256: Sha256, before: Frontier = EMPTY_FRONTIER) {
    this.#sha256 = sha256;
    this.#rows = new RowDigests(sha256);
    this.begun = before.size;
    this.last = before.size;
    this.tree = before;
  }

  /** How many entries hold. */
  get entries(): number {
    return this.last - this.begun;
  }

  /** Takes the next entry, as it came: nothing about it is believed. */
  take(entry: unknown): void {
    if (this.fault !== null) return;
    const detail = this.#check(entry);
    if (detail !== null) this.fail(detail);
  }

  fail(detail: string): void {
    this.fault ??= { sequence: this.last + 1, detail };
  }

  #check(given: unknown): string | null {
    if (!isEntry(given)) return 'this is not an entry';
    if (given.sequence !== this.last + 1) return `entry ${given.sequence} stands where ${this.last + 1} must`;
    const leaf = readLeaf(given.leaf);
    if (typeof leaf === 'string') return leaf;
    const bytes = utf8(given.leaf);
    const found = toHex(this.#sha256(bytes));
    if (found !== given.hash) return 'the leaf does not have the hash that is given with it';
    const wrong = compare(given, leaf) ?? this.#compareToBefore(leaf) ?? sideProblem(this.#sha256, given, leaf);
    if (wrong !== null) return wrong;
    this.tree = appendLeaves(this.#sha256, this.tree, [leafHash(this.#sha256, bytes)]);
    this.#accept(given, leaf, found);
    return null;
  }

  #compareToBefore(leaf: Leaf): string | null {
    // What the first of a run names can't be looked at: that it lies where it does is shown by the tree alone.
    const isFirst = this.entries === 0 && this.begun > 0;
    if (leaf.previous !== this.hash && !isFirst) return 'the leaf does not name the one before it as previous';
    const ours = this.installation ?? leaf.installation;
    return leaf.installation === ours ? null : 'the leaf is of another installation';
  }

  #accept({ side }: Entry, leaf: Leaf, found: string): void {
    this.installation = leaf.installation;
    this.last++;
    this.hash = found;
    if (side !== null) this.sides++;
    else if (leaf.side !== null) this.erasedSides++;
    for (const { id, before, after } of leaf.changes) {
      const isFollowed = this.begun === 0 || this.#rows.has(id);
      if (isFollowed && !this.#rows.is(id, before)) this.edited.push({ sequence: leaf.sequence, row: id });
      this.#rows.set(id, after);
    }
  }
}

const ENTRY_FIELDS = [
  ...['action', 'actor', 'at', 'hash', 'id', 'leaf', 'sequence', 'side', 'sideSalt', 'sideState', 'subject'],
];

/** Exactly the fields of an entry: one too many could be read as part of what is proven. */
function isEntry(value: unknown): value is Entry {
  if (typeof value !== 'object' || value === null) return false;
  if (Object.keys(value).sort().join() !== ENTRY_FIELDS.join()) return false;
  return Number.isSafeInteger((value as Entry).sequence) && typeof (value as Entry).leaf === 'string';
}

function readLeaf(text: string): Leaf | string {
  const bytes = utf8(text);
  if (bytes.length > MAX_LEAF_BYTES) return `the leaf is longer than ${MAX_LEAF_BYTES} bytes`;
  try {
    return decodeLeaf(bytes);
  } catch (error) {
    return `the leaf cannot be read: ${(error as Error).message}`;
  }
}

/** What may be said of a side, by what is there of it. */
const SIDE_STATES: Readonly<Record<'none' | 'shown' | 'hidden', readonly string[]>> = {
  none: ['none'],
  shown: ['shown'],
  hidden: ['withheld', 'sealed', 'erased', 'broken'],
};

function stateOf({ side }: Entry, leaf: Leaf): keyof typeof SIDE_STATES {
  if (leaf.side === null) return 'none';
  return side === null ? 'hidden' : 'shown';
}

/** What is shown beside the leaf must be what the leaf says. */
function compare(entry: Entry, leaf: Leaf): string | null {
  for (const name of ['sequence', 'id', 'at', 'actor', 'action', 'subject'] as const) {
    if (entry[name] !== leaf[name]) return `"${name}" is not what the leaf says`;
  }
  if (entry.side !== null && leaf.side === null) return 'a side is shown that the leaf does not commit to';
  return SIDE_STATES[stateOf(entry, leaf)].includes(entry.sideState) &&
    (entry.side === null) === (entry.sideSalt === null)
    ? null
    : 'what is said of the side is not what the leaf says';
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
