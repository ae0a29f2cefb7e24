import { Overloaded } from '../database/store-fault.ts';

/** Calls that may wait at once; deriving a key from a passphrase takes a second. */
const MAX_WAITING = 64;

/** One call at a time, in the order in which they came. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** @throws Overloaded when too many wait */
  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#waiting >= MAX_WAITING) throw new Overloaded('too many calls wait for their turn');
    this.#waiting++;
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    await before;
    try {
      return await work();
    } finally {
      this.#waiting--;
      resolve();
    }
  }
}
