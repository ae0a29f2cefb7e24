import { HASH_BYTES, isSameHash, perfectRoot } from '@keyhold/protocol/log/merkle';
import { TILE_WIDTH, tileHashes } from '@keyhold/protocol/log/tile';
import { sha256 } from '../ledger/tree.ts';

export type Hashes = readonly Uint8Array[];

/** A tile as `log_tiles` keeps it, hex. */
export interface KeptTile {
  readonly hashes: string;
  /** Roots of its subtrees; null in a tile that was kept before there were any. */
  readonly subtrees: string | null;
}

/** Hashes that a kept subtree spans: what a proof needs of a tile is then found with 22 hashes instead of 247. */
const SPAN = 16;

/** A full tile: its hashes, and the roots of their subtrees. */
export class FullTile {
  readonly hashes: Hashes;
  readonly #subtrees: Hashes;

  private constructor(hashes: Hashes, subtrees: Hashes) {
    this.hashes = hashes;
    this.#subtrees = subtrees;
  }

  static of(hashes: Hashes): FullTile {
    const runs = Array.from({ length: TILE_WIDTH / SPAN }, (_, i) => hashes.slice(i * SPAN, (i + 1) * SPAN));
    return new FullTile(
      hashes,
      runs.map((run) => perfectRoot(sha256, run)),
    );
  }

  /** A kept one by its hashes alone; null where they are not as many as a full tile has. */
  static ofKept({ hashes }: KeptTile): FullTile | null {
    const bytes = Buffer.from(hashes, 'hex');
    return bytes.length === TILE_WIDTH * HASH_BYTES ? FullTile.of(tileHashes(bytes)) : null;
  }

  /** A kept one as it lies there: whether its subtrees are those of its hashes nobody looked at. Null where there are none. */
  static asKept({ hashes, subtrees }: KeptTile): FullTile | null {
    const [bytes, over] = [Buffer.from(hashes, 'hex'), Buffer.from(subtrees ?? '', 'hex')];
    const isWhole = bytes.length === TILE_WIDTH * HASH_BYTES && over.length * SPAN === bytes.length;
    return isWhole ? new FullTile(tileHashes(bytes), tileHashes(over)) : null;
  }

  get root(): Uint8Array {
    return this.part(0, TILE_WIDTH);
  }

  /** Root of the perfect subtree over the hashes from `start` on, without `end`. */
  part(start: number, end: number): Uint8Array {
    return end - start < SPAN
      ? perfectRoot(sha256, this.hashes.slice(start, end))
      : perfectRoot(sha256, this.#subtrees.slice(start / SPAN, end / SPAN));
  }

  /** Whether that is how it is kept; one without subtrees is not what anybody changed. */
  isKeptAs({ subtrees }: KeptTile): boolean {
    if (subtrees === null) return true;
    const bytes = Buffer.from(subtrees, 'hex');
    return isSameHash(bytes, Buffer.concat(this.#subtrees));
  }

  toKept(): KeptTile {
    return { hashes: toHex(this.hashes), subtrees: toHex(this.#subtrees) };
  }
}

function toHex(hashes: Hashes): string {
  return Buffer.concat(hashes).toString('hex');
}
