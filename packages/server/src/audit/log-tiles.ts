import { foldNodes, isSameHash, perfectRoot } from '@keyhold/protocol/log/merkle';
import { type Node, perfectNodes, type Range } from '@keyhold/protocol/log/merkle-paths';
import { TILE_WIDTH, tileOf, tileWidth } from '@keyhold/protocol/log/tile';
import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import type { Scratch } from '../database/scratch.ts';
import { leavesBetween } from '../ledger/entries.store.ts';
import { prunedUpTo } from '../ledger/pruned.store.ts';
import { hashLeaf, sha256 } from '../ledger/tree.ts';
import { Turns } from '../vault/turns.ts';
import { FullTile, type Hashes } from './full-tile.ts';
import { countTiles, forgetTiles, keepTile, readTile, replaceTile } from './log.store.ts';

/** Tiles kept in memory: 9 KiB each. */
const MAX_CACHED = 1_000;
/** Subtrees kept in memory, and how many hashes of a tile they span at least. */
const [MAX_FOLDED, WORTH_KEEPING] = [20_000, 8];
/** Tiles written in one transaction. */
const TILES_PER_WRITE = 32;

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
  /** INVARIANT: who keeps tiles counts those that are there: nobody forgets some meanwhile. */
  readonly #turns = new Turns();
  readonly #checked = new Map<string, FullTile>();
  /** As they lie there: good for what is checked afterwards. */
  readonly #unchecked = new Map<string, FullTile>();
  /** Perfect subtrees within tiles that are not full yet, which never change either. */
  readonly #folded = new Map<string, Uint8Array>();
  /** The last tile of each level, as far as it was made: an entry never changes, nor a tile that is full. */
  readonly #tails = new Map<number, Tail>();
  /** INVARIANT: what was found before tiles were dropped is not remembered after it. */
  #generation = 0;

  /** @param changed told when a kept tile was not what it was, and is made anew */
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
    const full = await this.#full(level, number);
    return full === null ? await this.#made(level, number, width) : full.hashes.slice(0, width);
  }

  /** A kept tile, as it was when it was kept; null where there is none. */
  async #full(level: number, number: number): Promise<FullTile | null> {
    const name = `${level}/${number}`;
    const cached = this.#checked.get(name);
    if (cached !== undefined) return cached;
    const generation = this.#generation;
    const kept = await readTile(this.#reader, level, number);
    const tile = kept === null ? null : FullTile.ofKept(kept);
    if (kept === null || tile === null) return null;
    const expected = await this.#expected(level, number);
    const isWhole = tile.isKeptAs(kept);
    // Where nothing lies over it, hashes and subtrees have to vouch for each other: of two that differ neither is known to be true.
    const isTrue = expected === undefined ? isWhole : isSameHash(expected, tile.root);
    if (isTrue && generation === this.#generation) keepSome(this.#checked, MAX_CACHED, name, tile);
    // One of before there were subtrees is given them once it is known to be true.
    if (isTrue && kept.subtrees === null && expected !== undefined) await this.#keep(level, number, tile);
    if (isTrue && isWhole) return tile;
    this.#unchecked.delete(name);
    const made = isTrue ? tile : await this.#madeAnew(level, number);
    this.#changed();
    if (expected === undefined || isSameHash(expected, made.root)) await this.#keep(level, number, made);
    return made;
  }

  /** What a kept tile was made of; where that is not there any more, the kept one stays as it is. */
  async #madeAnew(level: number, number: number): Promise<FullTile> {
    try {
      return FullTile.of(await this.#made(level, number, TILE_WIDTH));
    } catch (error) {
      throw error instanceof EntryMissing ? new EntryMissing(`a tile was changed, and ${error.message}`) : error;
    }
  }

  /** Where it can't be kept it is made again the next time. */
  async #keep(level: number, number: number, tile: FullTile): Promise<void> {
    await this.#scratch.write((tables) => replaceTile(tables, level, number, tile.toKept())).catch(() => {});
  }

  /** Root of a tile by the one over it; undefined where there is none, as over the highest, or none that is sound. */
  async #expected(level: number, number: number): Promise<Uint8Array | undefined> {
    const [over, at] = [Math.floor(number / TILE_WIDTH), number % TILE_WIDTH];
    const tail = this.#tails.get(level + 1);
    const known = tail?.number === over ? tail.hashes : this.#checked.get(`${level + 1}/${over}`)?.hashes;
    if (known?.[at] !== undefined) return known[at];
    const kept = known === undefined ? await readTile(this.#reader, level + 1, over) : null;
    const tile = kept === null ? null : FullTile.ofKept(kept);
    return kept !== null && tile?.isKeptAs(kept) === true ? tile.hashes[at] : undefined;
  }

  /** MTH of the leaves of a range, which is a subtree of a proof. */
  async rangeHash(range: Range): Promise<Uint8Array> {
    return foldNodes(sha256, await this.nodes(perfectNodes(range)));
  }

  /** The same by tiles as they lie there, for who checks what comes of it: that takes a tenth of looking at them first. */
  async rangeHashAsKept(range: Range): Promise<Uint8Array> {
    const found: Uint8Array[] = [];
    for (const node of perfectNodes(range)) found.push(await this.#node(node, (...at) => this.#asKept(...at)));
    return foldNodes(sha256, found);
  }

  async nodes(nodes: readonly Node[]): Promise<Uint8Array[]> {
    const found: Uint8Array[] = [];
    for (const node of nodes) found.push(await this.#node(node, (...at) => this.#full(...at)));
    return found;
  }

  async #node(node: Node, fullTile: (level: number, number: number) => Promise<FullTile | null>): Promise<Uint8Array> {
    const { level, number, start, end } = tileOf(node);
    const name = `${node.level}/${node.index}`;
    const known = this.#folded.get(name);
    if (known !== undefined) return known;
    const generation = this.#generation;
    const full = await fullTile(level, number);
    if (full !== null) return full.part(start, end);
    const hash = perfectRoot(sha256, (await this.#made(level, number, end)).slice(start));
    if (end - start >= WORTH_KEEPING && generation === this.#generation) keepSome(this.#folded, MAX_FOLDED, name, hash);
    return hash;
  }

  async #asKept(level: number, number: number): Promise<FullTile | null> {
    const name = `${level}/${number}`;
    const cached = this.#checked.get(name) ?? this.#unchecked.get(name);
    if (cached !== undefined) return cached;
    const kept = await readTile(this.#reader, level, number);
    const tile = kept === null ? null : FullTile.asKept(kept);
    // One without subtrees takes as many hashes as looking at it does.
    if (tile === null) return await this.#full(level, number);
    keepSome(this.#unchecked, MAX_CACHED, name, tile);
    return tile;
  }

  /** Keeps every tile that is full in a tree of `size`, level by level. */
  keepFull(size: number): Promise<void> {
    return this.#turns.take(() => this.#keepFull(size));
  }

  async #keepFull(size: number): Promise<void> {
    for (let level = 0; Math.floor(size / TILE_WIDTH ** (level + 1)) > 0; level++) {
      const full = Math.floor(size / TILE_WIDTH ** (level + 1));
      for (let next = await countTiles(this.#reader, level); next < full; next += TILES_PER_WRITE) {
        const numbers = Array.from({ length: Math.min(TILES_PER_WRITE, full - next) }, (_, i) => next + i);
        const tiles: FullTile[] = [];
        for (const number of numbers) tiles.push(FullTile.of(await this.#made(level, number, TILE_WIDTH)));
        await this.#scratch.write(async (tables) => {
          for (const [i, tile] of tiles.entries()) await keepTile(tables, level, numbers[i] as number, tile.toKept());
        });
        await new Promise(setImmediate);
      }
    }
  }

  /** Drops all of it, so that the entries make it anew; the hashes that stay have to be known to make the root. */
  rebuild(size: number): Promise<void> {
    return this.#turns.take(async () => {
      // INVARIANT: read where nothing else is committed: a tile whose entries were just given up can't be made anew.
      await this.#scratch.write(async (tables) =>
        forgetTiles(tables, (await prunedUpTo(this.#reader)).upTo / TILE_WIDTH),
      );
      this.#generation++;
      for (const known of [this.#checked, this.#unchecked, this.#tails, this.#folded]) known.clear();
      await this.#keepFull(size);
    });
  }

  async #made(level: number, number: number, width: number): Promise<Hashes> {
    const generation = this.#generation;
    const last = this.#tails.get(level);
    const tail: Tail = last?.number === number ? last : { number, hashes: [] };
    if (level === 0) await this.#addLeafHashes(tail, width);
    for (let i = tail.hashes.length; i < width; i++) {
      const below = number * TILE_WIDTH + i;
      const full = await this.#full(level - 1, below);
      // By its place: whoever else makes the same tile meanwhile makes the same hashes.
      tail.hashes[i] = full?.root ?? perfectRoot(sha256, await this.#made(level - 1, below, TILE_WIDTH));
    }
    if (number >= (last?.number ?? 0) && generation === this.#generation) this.#tails.set(level, tail);
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
