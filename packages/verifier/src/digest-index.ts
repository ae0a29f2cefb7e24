/** Bytes of a SHA-256. */
const WIDTH = 32;
const FIRST_CAPACITY = 1024;
const FREE = 0;
const REMOVED = -1;

/**
 * Values by digest: open addressing over one slab of digests. A map of strings takes twice the memory and twice the
 * cache misses, and looking a credential up is most of what a verification waits for (see `bench verify-embedded`).
 * A digest is uniform already, so its first bytes are the hash; nobody can choose it without inverting SHA-256.
 */
export class DigestIndex<T> {
  /** Number of a value + 1, FREE or REMOVED. */
  #places = new Int32Array(FIRST_CAPACITY);
  #digests = new Uint8Array((FIRST_CAPACITY / 2) * WIDTH);
  readonly #values: (T | undefined)[] = [];
  readonly #freed: number[] = [];
  /** Places that are not FREE. */
  #taken = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** @param digest 32 one-byte characters */
  get(digest: string): T | undefined {
    const place = this.#find(digest);
    return place < 0 ? undefined : this.#values[(this.#places[place] as number) - 1];
  }

  set(digest: string, value: T): void {
    const known = this.#find(digest);
    if (known >= 0) {
      this.#values[(this.#places[known] as number) - 1] = value;
      return;
    }
    if (this.#taken * 2 >= this.#places.length) this.#rehash();
    const number = this.#freed.pop() ?? this.#values.length;
    this.#write(number, digest);
    this.#values[number] = value;
    this.#place(number);
    this.#size++;
  }

  delete(digest: string): void {
    const place = this.#find(digest);
    if (place < 0) return;
    const number = (this.#places[place] as number) - 1;
    this.#places[place] = REMOVED;
    this.#values[number] = undefined;
    this.#freed.push(number);
    this.#size--;
  }

  /** Deletes the first value that `matches`; looks at all of them. */
  deleteWhere(matches: (value: T) => boolean): void {
    const number = this.#values.findIndex((value) => value !== undefined && matches(value));
    if (number >= 0)
      this.delete(Buffer.from(this.#digests.subarray(number * WIDTH, (number + 1) * WIDTH)).toString('latin1'));
  }

  #find(digest: string): number {
    const places = this.#places;
    const mask = places.length - 1;
    for (let place = hashOf(digest) & mask; ; place = (place + 1) & mask) {
      const entry = places[place] as number;
      if (entry === FREE) return -1;
      if (entry !== REMOVED && this.#equals(entry - 1, digest)) return place;
    }
  }

  #equals(number: number, digest: string): boolean {
    const digests = this.#digests;
    const start = number * WIDTH;
    for (let i = 0; i < WIDTH; i++) if (digests[start + i] !== digest.charCodeAt(i)) return false;
    return true;
  }

  #write(number: number, digest: string): void {
    if ((number + 1) * WIDTH > this.#digests.length) {
      const larger = new Uint8Array(Math.ceil((this.#digests.length * 1.25) / WIDTH + 1) * WIDTH);
      larger.set(this.#digests);
      this.#digests = larger;
    }
    for (let i = 0; i < WIDTH; i++) this.#digests[number * WIDTH + i] = digest.charCodeAt(i);
  }

  #place(number: number): void {
    const places = this.#places;
    const mask = places.length - 1;
    const start = number * WIDTH;
    const [a, b, c, d] = this.#digests.subarray(start, start + 4) as unknown as [number, number, number, number];
    let place = ((a << 24) | (b << 16) | (c << 8) | d) & mask;
    while (places[place] !== FREE) place = (place + 1) & mask;
    places[place] = number + 1;
    this.#taken++;
  }

  /** Makes room, and forgets what was removed. */
  #rehash(): void {
    const before = this.#places;
    let capacity = before.length;
    while (this.#size * 2 >= capacity * 0.75) capacity *= 2;
    this.#places = new Int32Array(capacity);
    this.#taken = 0;
    for (const entry of before) if (entry > 0) this.#place(entry - 1);
  }
}

function hashOf(digest: string): number {
  return (
    (digest.charCodeAt(0) << 24) | (digest.charCodeAt(1) << 16) | (digest.charCodeAt(2) << 8) | digest.charCodeAt(3)
  );
}
