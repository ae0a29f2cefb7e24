import type { Sha256 } from '@keyhold/protocol/log/merkle';

/** Of an id's hash and of a digest's: enough that nobody finds two that are alike. */
const PART_BYTES = 16;
const SLOT_BYTES = 2 * PART_BYTES;
const FULLEST = 0.7;
const NONE = new Uint8Array(PART_BYTES);

/**
 * The newest digest of each row, in 32 bytes a row outside the heap: a log may speak of millions, and strings of them
 * in a map take six times as much. Open addressing by the id's own hash.
 */
export class RowDigests {
  readonly #sha256: Sha256;
  #slots = new Uint8Array(SLOT_BYTES * 1_024);
  #count = 0;

  constructor(sha256: Sha256) {
    this.#sha256 = sha256;
  }

  has(id: string): boolean {
    return !this.#isAt(this.#find(this.#part(id)), NONE);
  }

  /** Whether this is the row's newest digest; null where there is no row. */
  is(id: string, digest: string | null): boolean {
    return this.#isAt(this.#find(this.#part(id)) + PART_BYTES, this.#partOf(digest));
  }

  set(id: string, digest: string | null): void {
    if ((this.#count + 1) * SLOT_BYTES > this.#slots.length * FULLEST) this.#grow();
    const key = this.#part(id);
    const at = this.#find(key);
    if (this.#isAt(at, NONE)) this.#count++;
    this.#slots.set(key, at);
    this.#slots.set(this.#partOf(digest), at + PART_BYTES);
  }

  /** Where the row is, or the free slot that it would be put into. */
  #find(key: Uint8Array): number {
    const slots = this.#slots.length / SLOT_BYTES;
    const first = new DataView(key.buffer, key.byteOffset).getUint32(0) % slots;
    for (let slot = first; ; slot = (slot + 1) % slots) {
      const at = slot * SLOT_BYTES;
      if (this.#isAt(at, key) || this.#isAt(at, NONE)) return at;
    }
  }

  #isAt(at: number, part: Uint8Array): boolean {
    for (let i = 0; i < PART_BYTES; i++) if (this.#slots[at + i] !== part[i]) return false;
    return true;
  }

  #grow(): void {
    const before = this.#slots;
    this.#slots = new Uint8Array(before.length * 2);
    for (let at = 0; at < before.length; at += SLOT_BYTES) {
      const key = before.subarray(at, at + PART_BYTES);
      if (key.some((byte) => byte !== 0)) this.#slots.set(before.subarray(at, at + SLOT_BYTES), this.#find(key));
    }
  }

  #part(text: string): Uint8Array {
    return this.#sha256(new TextEncoder().encode(text)).subarray(0, PART_BYTES);
  }

  /** Hashed once more: a leaf may say anything in the place of a digest. */
  #partOf(digest: string | null): Uint8Array {
    return digest === null ? NONE : this.#part(digest);
  }
}
