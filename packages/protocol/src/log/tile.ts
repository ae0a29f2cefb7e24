import { HASH_BYTES } from './merkle.ts';
import type { Node } from './merkle-paths.ts';

/** Hashes of a full tile, and entries of a full bundle (c2sp.org/tlog-tiles). */
export const TILE_WIDTH = 256;
/** Levels of the tree in one level of tiles. */
export const TILE_HEIGHT = 8;

/** One resource of a tiled log: a tile of hashes, or a bundle of entries. */
export interface Tile {
  /** Level of tiles, or the entries themselves. */
  readonly level: number | 'entries';
  readonly number: number;
  /** 1 to 256: how many hashes or entries it has. */
  readonly width: number;
}

const MAX_LEVEL = 63;

/** `tile/<L>/<N>[.p/<W>]`; 1234067 is written x001/x234/067. */
export function tilePath({ level, number, width }: Tile): string {
  const digits = String(number);
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/\d{3}/g) as string[];
  const path = groups.map((group, i) => (i < groups.length - 1 ? `x${group}` : group)).join('/');
  return `tile/${level}/${path}${width === TILE_WIDTH ? '' : `.p/${width}`}`;
}

/** The tile of a path, or null where it is none, or not in its one form. */
export function parseTilePath(path: string): Tile | null {
  const match = /^tile\/(entries|\d{1,2})\/((?:x\d{3}\/){0,4}\d{3})(?:\.p\/(\d{1,3}))?$/.exec(path);
  if (match === null) return null;
  const [, level, number, width] = match as unknown as [string, string, string, string?];
  const tile: Tile = {
    level: level === 'entries' ? level : Number(level),
    number: Number(number.replace(/[x/]/g, '')),
    width: width === undefined ? TILE_WIDTH : Number(width),
  };
  const fits = (tile.level === 'entries' || tile.level <= MAX_LEVEL) && tile.width >= 1 && tile.width <= TILE_WIDTH;
  return fits && tilePath(tile) === path ? tile : null;
}

/** How wide a tile is in a tree of `size`: 256, less for the last one, 0 where there is none. */
export function tileWidth(level: number, number: number, size: number): number {
  const hashes = Math.floor(size / TILE_WIDTH ** level);
  return Math.max(0, Math.min(TILE_WIDTH, hashes - number * TILE_WIDTH));
}

/** The tile that a node of the tree is found in, or computed from, and the hashes of it that it spans. */
export function tileOf({ level, index }: Node): { level: number; number: number; start: number; end: number } {
  const tileLevel = Math.floor(level / TILE_HEIGHT);
  const span = 2 ** (level % TILE_HEIGHT);
  const first = index * span;
  const start = first % TILE_WIDTH;
  return { level: tileLevel, number: Math.floor(first / TILE_WIDTH), start, end: start + span };
}

/** The hashes that a tile consists of, one behind the other; they are views of its bytes. */
export function tileHashes(bytes: Uint8Array): Uint8Array[] {
  return Array.from({ length: bytes.length / HASH_BYTES }, (_, i) =>
    bytes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES),
  );
}

/** Entries with their lengths before them, big-endian in two bytes. */
export function bundleOf(entries: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(entries.reduce((sum, { length }) => sum + 2 + length, 0));
  let at = 0;
  for (const entry of entries) {
    bytes.set([entry.length >> 8, entry.length & 0xff], at);
    bytes.set(entry, at + 2);
    at += 2 + entry.length;
  }
  return bytes;
}

/** The entries of a bundle, or null where the lengths don't come out. */
export function entriesOf(bundle: Uint8Array): Uint8Array[] | null {
  const entries: Uint8Array[] = [];
  for (let at = 0; at < bundle.length; ) {
    if (at + 2 > bundle.length) return null;
    const end = at + 2 + (((bundle[at] as number) << 8) | (bundle[at + 1] as number));
    if (end > bundle.length) return null;
    entries.push(bundle.subarray(at + 2, end));
    at = end;
  }
  return entries;
}
