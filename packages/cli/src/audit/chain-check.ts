import { hash } from 'node:crypto';
import { decodeLeaf, type Leaf, MAX_LEAF_BYTES } from '@keyhold/protocol/leaf';
import type { Entry } from '@keyhold/protocol/operations/audit';

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

/** Follows the chain entry by entry, from the first, and stops at the first fault. */
export class ChainCheck {
  installation: string | null = null;
  /** How many entries hold, which is also the sequence of the last of them. */
  entries = 0;
  hash: string | null = null;
  fault: ChainFault | null = null;
  /** Entries whose side is shown; its random bytes are not, so it can't be checked. */
  sides = 0;
  /** Entries whose leaf commits to a side that is not shown any more. */
  erasedSides = 0;
  readonly edited: EditedRow[] = [];
  readonly #rows = new Map<string, string | null>();

  /** Takes the next entry, as it came: nothing about it is believed. */
  take(entry: unknown): void {
    if (this.fault !== null) return;
    const detail = this.#check(entry);
    if (detail !== null) this.fail(detail);
  }

  fail(detail: string): void {
    this.fault ??= { sequence: this.entries + 1, detail };
  }

  #check(given: unknown): string | null {
    if (!isEntry(given)) return 'this is not an entry';
    if (given.sequence !== this.entries + 1) return `entry ${given.sequence} stands where ${this.entries + 1} must`;
    const leaf = readLeaf(given.leaf);
    if (typeof leaf === 'string') return leaf;
    const found = hash('sha256', given.leaf, 'hex');
    if (found !== given.hash) return 'the leaf does not have the hash that is given with it';
    const wrong = compare(given, leaf) ?? this.#compareToBefore(leaf);
    if (wrong !== null) return wrong;
    this.#accept(given, leaf, found);
    return null;
  }

  #compareToBefore(leaf: Leaf): string | null {
    if (leaf.previous !== this.hash) return 'the leaf does not name the one before it as previous';
    const ours = this.installation ?? leaf.installation;
    return leaf.installation === ours ? null : 'the leaf is of another installation';
  }

  #accept({ side }: Entry, leaf: Leaf, found: string): void {
    this.installation = leaf.installation;
    this.entries++;
    this.hash = found;
    if (side !== null) this.sides++;
    else if (leaf.side !== null) this.erasedSides++;
    for (const { id, before, after } of leaf.changes) {
      if ((this.#rows.get(id) ?? null) !== before) this.edited.push({ sequence: leaf.sequence, row: id });
      this.#rows.set(id, after);
    }
  }
}

const ENTRY_FIELDS = ['action', 'actor', 'at', 'hash', 'id', 'leaf', 'sequence', 'side', 'subject'];

/** Exactly the fields of an entry: one too many could be read as part of what is proven. */
function isEntry(value: unknown): value is Entry {
  if (typeof value !== 'object' || value === null) return false;
  if (Object.keys(value).sort().join() !== ENTRY_FIELDS.join()) return false;
  return Number.isSafeInteger((value as Entry).sequence) && typeof (value as Entry).leaf === 'string';
}

function readLeaf(text: string): Leaf | string {
  const bytes = Buffer.from(text);
  if (bytes.length > MAX_LEAF_BYTES) return `the leaf is longer than ${MAX_LEAF_BYTES} bytes`;
  try {
    const leaf = decodeLeaf(bytes);
    return Array.isArray(leaf.changes) ? leaf : 'the leaf does not say what changed';
  } catch (error) {
    return `the leaf cannot be read: ${(error as Error).message}`;
  }
}

/** What is shown beside the leaf must be what the leaf says. */
function compare(entry: Entry, leaf: Leaf): string | null {
  for (const name of ['sequence', 'id', 'at', 'actor', 'action', 'subject'] as const) {
    if (entry[name] !== leaf[name]) return `"${name}" is not what the leaf says`;
  }
  return entry.side !== null && leaf.side === null ? 'a side is shown that the leaf does not commit to' : null;
}
