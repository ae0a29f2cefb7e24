const FIRST_ROWS = 16;
const GROWTH = 1.25;
/**
 * Bytes before the first row. Large buffers begin 16 bytes into a page (glibc's `malloc`), so that rows of 128 bytes
 * then lie on whole cache lines; where they don't, a row costs one line more.
 */
const MARGIN_BYTES = 112;

/**
 * Rows of one width in one buffer, by number; freed ones are handed out again. One buffer, because an object a row
 * costs a cache miss for each pointer that is followed, and the collector's time for each that is there.
 */
export class RecordSlab {
  readonly #width: number;
  #words: Int32Array;
  #bytes: Uint8Array;
  #units: Uint16Array;
  #end = 0;
  readonly #freed: number[] = [];

  /** @param width 32-bit words of one row */
  constructor(width: number) {
    this.#width = width;
    this.#words = words(FIRST_ROWS * width);
    this.#bytes = new Uint8Array(this.#words.buffer, MARGIN_BYTES);
    this.#units = new Uint16Array(this.#words.buffer, MARGIN_BYTES);
  }

  /** Views of all rows; they end with the next {@link allocate}. Row `r` begins at word `r * width`. */
  get words(): Int32Array {
    return this.#words;
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  get units(): Uint16Array {
    return this.#units;
  }

  /** A row that holds whatever was there before; zeros at first. */
  allocate(): number {
    const reused = this.#freed.pop();
    if (reused !== undefined) return reused;
    if ((this.#end + 1) * this.#width > this.#words.length) this.#grow();
    return this.#end++;
  }

  release(row: number): void {
    this.#freed.push(row);
  }

  #grow(): void {
    const larger = words(Math.ceil((this.#end + 1) * GROWTH) * this.#width);
    larger.set(this.#words);
    this.#words = larger;
    this.#bytes = new Uint8Array(larger.buffer, MARGIN_BYTES);
    this.#units = new Uint16Array(larger.buffer, MARGIN_BYTES);
  }
}

function words(length: number): Int32Array {
  return new Int32Array(new ArrayBuffer(MARGIN_BYTES + length * 4), MARGIN_BYTES);
}
