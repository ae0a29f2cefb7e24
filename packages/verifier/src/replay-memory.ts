import { randomInt } from 'node:crypto';
import { DigestTable, type HashSeed, lastWord, wordAt } from './digest-table.ts';

/**
 * `full`: neither seen nor remembered, because there is no room. `forgotten`: of a time of which nothing is known any
 * more. Of either whoever asked must refuse.
 */
export type Sighting = 'fresh' | 'seen' | 'full' | 'forgotten';

export interface ReplayMemoryOptions {
  /** Most digests remembered at once; 16 bytes each in tables between three eighths and three quarters full. */
  readonly maxNonces?: number;
  /** Digests whose time ends within the same so many milliseconds are forgotten together. */
  readonly bucketMs?: number;
  readonly seed?: HashSeed;
}

interface Bucket {
  /** Epoch milliseconds; everything in it is good before then only. */
  readonly end: number;
  readonly table: DigestTable;
}

/** What docs/flows/signed-requests.md says that a verifier remembers at most: some 60 MB. */
const MAX_NONCES = 2_000_000;
/** Most buckets at once, so that times spread far apart cost no memory of their own: nearly three hours of them. */
const MAX_BUCKETS = 1_024;

/**
 * What one verifier has seen of signed requests, in memory with a bound. Digests lie in buckets by when they stop
 * being good, and a bucket is dropped whole, so that nothing is ever swept one by one.
 * INVARIANT: a digest is forgotten only when nobody accepts its request any more, whatever the wall clock does.
 */
export class ReplayMemory {
  readonly #maxNonces: number;
  readonly #bucketMs: number;
  readonly #seed: HashSeed;
  /** By end, not sorted; a few dozen at most where requests are good for minutes. */
  #buckets: Bucket[] = [];
  #size = 0;
  /** Everything good only before this moment may have been forgotten. It never goes back, whatever the clock does. */
  #forgottenBefore = Number.NEGATIVE_INFINITY;
  #earliestEnd = Number.POSITIVE_INFINITY;

  constructor(options: ReplayMemoryOptions = {}) {
    this.#maxNonces = options.maxNonces ?? MAX_NONCES;
    this.#bucketMs = options.bucketMs ?? 10_000;
    this.#seed = options.seed ?? { first: randomOdd(), second: randomOdd() };
  }

  /** Digests remembered. */
  get size(): number {
    return this.#size;
  }

  /** Bytes held by what is remembered. */
  get bytes(): number {
    return this.#buckets.reduce((sum, { table }) => sum + table.bytes, 0);
  }

  /**
   * Remembers a digest until its time is over. Two requests signed with the same bytes are good until the same moment,
   * and so in the same bucket: only that one is searched, unless what must not come twice has no time of its own.
   * @param digest its first 16 bytes are the key
   * @param untilMs last moment at which the request is good, epoch milliseconds
   * @param across also where the same digest came with another time
   */
  once(digest: Uint8Array, untilMs: number, nowMs: number, across: boolean): Sighting {
    if (nowMs >= this.#earliestEnd) this.#forget(nowMs);
    // What is not good any more is nobody's to remember.
    if (untilMs < nowMs || !Number.isFinite(untilMs)) return 'seen';
    // The clock was set back, and what looks new may be what was dropped.
    if ((across ? nowMs : untilMs) < this.#forgottenBefore) return 'forgotten';
    const [a, b, c, d] = [wordAt(digest, 0), wordAt(digest, 4), wordAt(digest, 8), lastWord(digest)];
    const end = this.#endOf(untilMs);
    let own: Bucket | undefined;
    for (let i = 0; i < this.#buckets.length; i++) {
      const bucket = this.#buckets[i] as Bucket;
      if (bucket.end === end) own = bucket;
      else if (across && bucket.table.has(a, b, c, d)) return 'seen';
    }
    if (own?.table.has(a, b, c, d)) return 'seen';
    if (this.#size >= this.#maxNonces || (own === undefined && this.#buckets.length >= MAX_BUCKETS)) return 'full';
    (own ?? this.#open(end)).table.add(a, b, c, d);
    this.#size++;
    return 'fresh';
  }

  /** Whether a digest was remembered with just this end of its time; it remembers nothing. */
  has(digest: Uint8Array, untilMs: number): boolean {
    const end = this.#endOf(untilMs);
    const own = this.#buckets.find((bucket) => bucket.end === end);
    return own?.table.has(wordAt(digest, 0), wordAt(digest, 4), wordAt(digest, 8), lastWord(digest)) ?? false;
  }

  #endOf(untilMs: number): number {
    return (Math.floor(untilMs / this.#bucketMs) + 1) * this.#bucketMs;
  }

  /**
   * Room from the start for as much as the fullest has: under steady load no table grows. Only within the bound: times
   * chosen to open many buckets get small ones.
   */
  #open(end: number): Bucket {
    let [fullest, reserved] = [0, 0];
    for (const { table } of this.#buckets) {
      fullest = Math.max(fullest, table.size);
      reserved += table.room;
    }
    const bucket = { end, table: new DigestTable(this.#seed, reserved + fullest <= this.#maxNonces ? fullest : 0) };
    this.#buckets.push(bucket);
    this.#earliestEnd = Math.min(this.#earliestEnd, end);
    return bucket;
  }

  #forget(nowMs: number): void {
    this.#earliestEnd = Number.POSITIVE_INFINITY;
    const kept: Bucket[] = [];
    for (const bucket of this.#buckets) {
      if (bucket.end > nowMs) {
        kept.push(bucket);
        this.#earliestEnd = Math.min(this.#earliestEnd, bucket.end);
      } else {
        this.#size -= bucket.table.size;
        this.#forgottenBefore = Math.max(this.#forgottenBefore, bucket.end);
      }
    }
    this.#buckets = kept;
  }
}

function randomOdd(): number {
  return randomInt(2 ** 31) * 2 + 1;
}
