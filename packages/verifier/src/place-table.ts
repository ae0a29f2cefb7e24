const FIRST_CAPACITY = 16;
const FREE = 0;
const REMOVED = -1;
/** An entry is a number + 1, and above it the bits of its hash that chose no place. */
const NUMBER_BITS = 26;
const NUMBER_MASK = (1 << NUMBER_BITS) - 1;
/** The one above would look like {@link REMOVED}. */
const MAX_NUMBER = NUMBER_MASK - 2;

/**
 * Where numbers of rows lie by the hash of what a row is called: open addressing over one array. A map of strings
 * takes five times the memory and more cache misses, and looking a credential up is most of what a verification waits
 * for (see `bench verify-embedded`). Rows keep their names; who owns them compares names and walks on:
 * `for (let at = places.first(hash); at >= 0; at = places.next(hash, at)) …`
 */
export class PlaceTable {
  #entries = new Int32Array(FIRST_CAPACITY);
  /** Entries that are not FREE. */
  #taken = 0;
  #size = 0;
  readonly #hashAt: (number: number) => number;

  /** @param hashAt hash of the name of a row that is in the table: 32 bits, all of them even */
  constructor(hashAt: (number: number) => number) {
    this.#hashAt = hashAt;
  }

  get size(): number {
    return this.#size;
  }

  /** The first place that may be of this hash, or -1. */
  first(hash: number): number {
    return this.#search(hash, hash & (this.#entries.length - 1));
  }

  /** The one after `place`. */
  next(hash: number, place: number): number {
    return this.#search(hash, (place + 1) & (this.#entries.length - 1));
  }

  numberAt(place: number): number {
    return ((this.#entries[place] as number) & NUMBER_MASK) - 1;
  }

  /**
   * Adds a row whose name is written already, and is new here.
   * @throws RangeError beyond 2^26 rows
   */
  add(number: number): void {
    if (number > MAX_NUMBER) throw new RangeError(`a replica holds at most ${MAX_NUMBER + 1} rows`);
    if (this.#taken * 2 >= this.#entries.length) this.#rehash();
    this.#put(number);
    this.#size++;
  }

  removeAt(place: number): void {
    this.#entries[place] = REMOVED;
    this.#size--;
  }

  /** Numbers of all rows, in no order. */
  *numbers(): Generator<number> {
    for (const entry of this.#entries) if (entry !== FREE && entry !== REMOVED) yield (entry & NUMBER_MASK) - 1;
  }

  #search(hash: number, from: number): number {
    const entries = this.#entries;
    const mask = entries.length - 1;
    for (let place = from; ; place = (place + 1) & mask) {
      const entry = entries[place] as number;
      if (entry === FREE) return -1;
      // Bits that differ spare a look at a row that is likely not in the cache.
      if (((entry ^ hash) & ~NUMBER_MASK) === 0 && entry !== REMOVED) return place;
    }
  }

  #put(number: number): void {
    const mask = this.#entries.length - 1;
    const hash = this.#hashAt(number);
    let place = hash & mask;
    while (this.#entries[place] !== FREE) place = (place + 1) & mask;
    this.#entries[place] = (hash & ~NUMBER_MASK) | (number + 1);
    this.#taken++;
  }

  /** Makes room, and forgets what was removed. */
  #rehash(): void {
    const numbers = Int32Array.from(this.numbers());
    let capacity = this.#entries.length;
    while (this.#size * 2 >= capacity * 0.75) capacity *= 2;
    this.#entries = new Int32Array(capacity);
    this.#taken = 0;
    for (const number of numbers) this.#put(number);
  }
}
