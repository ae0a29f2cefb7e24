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

/** Digests a body as it passes. */
export class BodyDigester {
  readonly #expected: readonly { readonly hash: ReturnType<typeof createHash>; readonly value: Uint8Array }[];

  /** @throws RangeError where there is none, since then every body would do */
  constructor(digests: Digests) {
    if (digests.length === 0) throw new RangeError('there is no digest to check a body by');
    this.#expected = digests.map(({ algorithm, value }) => ({
      hash: createHash(algorithm.replace('-', '')),
      value: Buffer.from(value, 'base64'),
    }));
  }

  update(chunk: Uint8Array): void {
    for (const { hash } of this.#expected) hash.update(chunk);
  }

  /** Once, at the end. */
  matches(): boolean {
    return this.#expected.every(({ hash, value }) => {
      const actual = hash.digest();
      return actual.length === value.length && timingSafeEqual(actual, value);
    });
  }
}
