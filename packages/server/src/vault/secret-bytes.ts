import { inspect } from 'node:util';

/** A key or share whose owner wipes it: prints, logs and serialises as `[secret]`, like `Secret`. */
export class SecretBytes {
  readonly #bytes: Buffer;

  /** Takes the bytes over. */
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** The bytes themselves, for as long as they are not wiped; who copies them wipes the copy. */
  read(): Buffer {
    return this.#bytes;
  }

  wipe(): void {
    this.#bytes.fill(0);
  }

  toJSON(): string {
    return '[secret]';
  }

  toString(): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return '[secret]';
  }
}
