/** 32-bit words of a key: the first 16 bytes of a digest. */
const WORDS = 4;
const KEY_BYTES = 16;
const SMALLEST_SLOTS = 64;
/** Fuller, runs of taken slots grow long. */
const MOST_FILLED = 0.75;

/** Two random odd numbers, so that nobody outside can choose keys that all fall into one place. */
export interface HashSeed {
  readonly first: number;
  readonly second: number;
}

/** A set of 16-byte keys in one array, open-addressed: no object a key, nothing for the collector to walk. */
export class DigestTable {
  #words: Uint32Array;
  #shift: number;
  readonly #seed: HashSeed;
  #size = 0;

  /** @param expected keys that there is to be room for from the start */
  constructor(seed: HashSeed, expected: number) {
    this.#seed = seed;
    const slots = 2 ** Math.ceil(Math.log2(Math.max(SMALLEST_SLOTS, expected / MOST_FILLED)));
    this.#words = new Uint32Array(slots * WORDS);
    this.#shift = 32 - Math.log2(slots);
  }

  get size(): number {
    return this.#size;
  }

  /** Keys that it holds before it grows. */
  get room(): number {
    return (this.#words.length / WORDS) * MOST_FILLED;
  }

  get bytes(): number {
    return this.#words.byteLength;
  }

  has(a: number, b: number, c: number, d: number): boolean {
    return this.#words[this.#find(a, b, c, d) + 3] !== 0;
  }

  /** False when it was there before. */
  add(a: number, b: number, c: number, d: number): boolean {
    let at = this.#find(a, b, c, d);
    if (this.#words[at + 3] !== 0) return false;
    if (this.#size >= this.room) {
      this.#double();
      at = this.#find(a, b, c, d);
    }
    this.#put(at, a, b, c, d);
    this.#size++;
    return true;
  }

  /** Where the key is, or the empty slot where it would be: its last word is 0, which {@link lastWord} never is. */
  #find(a: number, b: number, c: number, d: number): number {
    const words = this.#words;
    const mask = words.length - 1;
    let at = ((Math.imul(a, this.#seed.first) + Math.imul(b, this.#seed.second)) >>> this.#shift) * WORDS;
    while (words[at + 3] !== 0) {
      if (words[at] === a && words[at + 1] === b && words[at + 2] === c && words[at + 3] === d) return at;
      at = (at + WORDS) & mask;
    }
    return at;
  }

  #put(at: number, a: number, b: number, c: number, d: number): void {
    this.#words[at] = a;
    this.#words[at + 1] = b;
    this.#words[at + 2] = c;
    this.#words[at + 3] = d;
  }

  #double(): void {
    const old = this.#words;
    this.#words = new Uint32Array(old.length * 2);
    this.#shift--;
    for (let i = 0; i < old.length; i += WORDS) {
      const [a, b, c, d] = [old[i] as number, old[i + 1] as number, old[i + 2] as number, old[i + 3] as number];
      if (d !== 0) this.#put(this.#find(a, b, c, d), a, b, c, d);
    }
  }
}

/** The word of a digest at byte `offset`. */
export function wordAt(digest: Uint8Array, offset: number): number {
  const [a, b] = [digest[offset] as number, digest[offset + 1] as number];
  const [c, d] = [digest[offset + 2] as number, digest[offset + 3] as number];
  return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
}

/** The last word of a key; 0 marks an empty slot, so that the one digest in four thousand million gives up a bit. */
export function lastWord(digest: Uint8Array): number {
  return wordAt(digest, KEY_BYTES - 4) || 1;
}
