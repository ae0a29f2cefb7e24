import { createHash, timingSafeEqual } from 'node:crypto';
import type { Verdict } from '@keyhold/protocol/verdict';

export type Digests = NonNullable<Verdict['bodyDigests']>;

/** The body that came is not the one that was signed. */
export class DigestMismatch extends Error {
  override readonly name = 'DigestMismatch';
  /** What frameworks answer with. */
  readonly statusCode = 400;

  constructor() {
    super('the body is not the one that was signed');
  }
}

/** What was signed may be longer than the application takes. */
export class BodyTooLong extends Error {
  override readonly name = 'BodyTooLong';
  readonly statusCode = 413;

  constructor() {
    super('the body is longer than this API takes');
  }
}

/** Digests a body as it passes, as far as its bound. */
export class BodyDigester {
  #left: number;
  readonly #expected: readonly { readonly hash: ReturnType<typeof createHash>; readonly value: Uint8Array }[];

  /** @throws RangeError where there is none, since then every body would do */
  constructor(digests: Digests, maxBytes: number = Number.POSITIVE_INFINITY) {
    this.#left = maxBytes;
    if (digests.length === 0) throw new RangeError('there is no digest to check a body by');
    this.#expected = digests.map(({ algorithm, value }) => ({
      hash: createHash(algorithm.replace('-', '')),
      value: Buffer.from(value, 'base64'),
    }));
  }

  /** False where this chunk is beyond the bound: it is not the application's to read. */
  update(chunk: Uint8Array): boolean {
    this.#left -= chunk.length;
    if (this.#left < 0) return false;
    for (const { hash } of this.#expected) hash.update(chunk);
    return true;
  }

  /** Once, at the end. */
  matches(): boolean {
    if (this.#left < 0) return false;
    return this.#expected.every(({ hash, value }) => {
      const actual = hash.digest();
      return actual.length === value.length && timingSafeEqual(actual, value);
    });
  }
}
