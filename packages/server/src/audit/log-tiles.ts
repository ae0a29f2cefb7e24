import { HASH_BYTES, foldNodes, isSameHash, perfectRoot } from '@keyhold/protocol/log/merkle';
import { type Node, perfectNodes, type Range } from '@keyhold/protocol/log/merkle-paths';
import { TILE_WIDTH, tileOf, tileWidth, tileHashes } from '@keyhold/protocol/log/tile';
import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import type { Scratch } from '../database/scratch.ts';
import { leavesBetween } from '../ledger/entries.store.ts';
import { prunedUpTo } from '../ledger/pruned.store.ts';
import { hashLeaf, sha256 } from '../ledger/tree.ts';
import { countTiles, forgetTiles, keepTile, readTileHashes } from './log.store.ts';

/** Tiles kept in memory: 8 KiB each. */
const MAX_CACHED = 1_000;
/** Subtrees kept in memory, and how many hashes of a tile they span at least. */
const [MAX_FOLDED, WORTH_KEEPING] = [20_000, 8];
/** Tiles written in one transaction. */
const TILES_PER_WRITE = 32;

type Hashes = readonly Uint8Array[];

/** Entries are not there that a tile is made of. */
export class EntryMissing extends Error {
  override readonly name = 'EntryMissing';
}

interface Tail {
  readonly number: number;
  readonly hashes: Uint8Array[];
}

/**
 * The hashes of the log, by tiles. They derive from the entries: full ones are kept so that proofs are quick and hold
 * when old entries are gone; the last ones are made from the entries each time.
 */
export class LogTiles {
  readonly #reader: Kysely<Database>;
  readonly #scratch: Scratch;
  readonly #changed: () => void;
  readonly #full = new Map<string, Hashes>();
  /** Perfect subtrees within tiles, which never change either. */
  readonly #folded = new Map<string, Uint8Array>();
  /** The last tile of each level, as far as it was made: an entry never changes, nor a tile that is full. */
  readonly #tails = new Map<number, Tail>();

  /** @param changed told when a kept tile is not what it was */
  constructor(reader: Kysely<Database>, scratch: Scratch, changed: () => void) {
    this.#reader = reader;
    this.#scratch = scratch;
    this.#changed = changed;
  }

  /**
   * The first `width` hashes of a tile.
   * @throws EntryMissing
   */
  async hashes(level: number, number: number, width: number): Promise<Hashes> {
    const name = `${level}/${number}`;
    const cached = this.#full.get(name);
    if (cached !== undefined) return cached.slice(0, width);
    const kept = await readTileHashes(this.#reader, level, number);
    if (kept?.length === TILE_WIDTH * HASH_BYTES) {
      const hashes = tileHashes(kept);
      if (await this.#isBelow(level, number, hashes)) {
        keepSome(this.#full, MAX_CACHED, name, hashes);
        return hashes.slice(0, width);
      }
      this.#changed();
      await this.#makeAnew(level, number);
    }
    return await this.#made(level, number, width);
  }

  /** Puts a full tile in the place of a kept one that is not what it was. */
  async #makeAnew(level: number, number: number): Promise<void> {
    const hashes = await this.#made(level, number, TILE_WIDTH);
    if (!(await this.#isBelow(level, number, hashes))) return;
    // Where it can't be kept it is made again the next time.
    await this.#scratch.write((tables) => keepTile(tables, level, number, join(hashes))).catch(() => {});
  }

  /** Whether a kept tile is the one that the tile over it was made of; that of the highest is in the tree itself. */
  async #isBelow(level: number, number: number, hashes: Hashes): Promise<boolean> {
    const [over, at] = [Math.floor(number / TILE_WIDTH), number % TILE_WIDTH];
    const tail = this.#tails.get(level + 1);
    const known = tail?.number === over ? tail.hashes : this.#full.get(`${level + 1}/${over}`);
    const kept = known === undefined ? await readTileHashes(this.#reader, level + 1, over) : null;
    const expected = known?.[at] ?? kept?.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES);
    return expected === undefined || isSameHash(expected, perfectRoot(sha256, hashes));
  }

  /** MTH of the leaves of a range, which is a subtree of a proof. */
  async rangeHash(range: Range): Promise<Uint8Array> {
    return foldNodes(sha256, await this.nodes(perfectNodes(range)));
  }

  async nodes(nodes: readonly Node[]): Promise<Uint8Array[]> {
    const found: Uint8Array[] = [];
    for (const node of nodes) found.push(await this.#node(node));
    return found;
  }

  async #node(node: Node): Promise<Uint8Array> {
    const { level, number, start, end } = tileOf(node);
    const name = `${node.level}/${node.index}`;
    const known = this.#folded.get(name);
    if (known !== undefined) return known;
    const hash = perfectRoot(sha256, (await this.hashes(level, number, end)).slice(start));
    if (end - start >= WORTH_KEEPING) keepSome(this.#folded, MAX_FOLDED, name, hash);
    return hash;
  }

  /** Keeps every tile that is full in a tree of `size`, level by level. */
  async keepFull(size: number): Promise<void> {
    for (let level = 0; Math.floor(size / TILE_WIDTH ** (level + 1)) > 0; level++) {
      const full = Math.floor(size / TILE_WIDTH ** (level + 1));
      for (let next = await countTiles(this.#reader, level); next < full; next += TILES_PER_WRITE) {
        const numbers = Array.from({ length: Math.min(TILES_PER_WRITE, full - next) }, (_, i) => next + i);
        const tiles: string[] = [];
        for (const number of numbers) tiles.push(join(await this.#made(level, number, TILE_WIDTH)));
        await this.#scratch.write(async (tables) => {
          for (const [i, hashes] of tiles.entries()) await keepTile(tables, level, numbers[i] as number, hashes);
        });
        await new Promise(setImmediate);
      }
    }
  }

  /** Drops all of it, so that the entries make it anew. */
  async rebuild(size: number): Promise<void> {
    this.#full.clear();
    this.#tails.clear();
    this.#folded.clear();
    const firstMade = (await prunedUpTo(this.#reader)).upTo / TILE_WIDTH;
    await this.#scratch.write((tables) => forgetTiles(tables, firstMade));
    await this.keepFull(size);
  }

  async #made(level: number, number: number, width: number): Promise<Hashes> {
    const last = this.#tails.get(level);
    const tail: Tail = last?.number === number ? last : { number, hashes: [] };
    if (level === 0) await this.#addLeafHashes(tail, width);
    for (let i = tail.hashes.length; i < width; i++) {
      const below = await this.hashes(level - 1, number * TILE_WIDTH + i, TILE_WIDTH);
      // By its place: whoever else makes the same tile meanwhile makes the same hashes.
      tail.hashes[i] = perfectRoot(sha256, below);
    }
    if (number >= (last?.number ?? 0)) this.#tails.set(level, tail);
    return tail.hashes.slice(0, width);
  }

  async #addLeafHashes({ number, hashes }: Tail, width: number): Promise<void> {
    if (hashes.length >= width) return;
    const first = number * TILE_WIDTH;
    const from = first + hashes.length;
    const entries = await leavesBetween(this.#reader, from, first + width);
    entries.forEach(({ sequence, leaf }, i) => {
      if (sequence === from + i + 1) hashes[sequence - first - 1] = hashLeaf(leaf);
    });
    if (hashes.length < width) throw new EntryMissing(`entry ${first + hashes.length + 1} is missing`);
  }
}

/** Puts something into a cache of so many things; the oldest goes. */
function keepSome<T>(cache: Map<string, T>, most: number, name: string, value: T): void {
  if (cache.size >= most) cache.delete(cache.keys().next().value as string);
  cache.set(name, value);
}

/** Whether a tile with that many hashes is in a tree of `size`. */
export function hasTile(level: number, number: number, width: number, size: number): boolean {
  return width <= tileWidth(level, number, size);
}

function join(hashes: Hashes): string {
  return Buffer.concat(hashes).toString('hex');
}
