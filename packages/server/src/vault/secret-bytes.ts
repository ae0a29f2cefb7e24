import { Silent } from './silent.ts';

/** A key or share whose owner wipes it. */
export class SecretBytes extends Silent {
  readonly #bytes: Buffer;

  /** Takes the bytes over. */
  constructor(bytes: Buffer) {
    super();
    this.#bytes = bytes;
  }

  /** The bytes themselves, for as long as they are not wiped; who copies them wipes the copy. */
  read(): Buffer {
    return this.#bytes;
  }

  wipe(): void {
    this.#bytes.fill(0);
  }
}
