/** Wrong codes that a consumer may send at once; then one more each {@link PER_CODE_MS}. */
const AT_ONCE = 5;
const PER_CODE_MS = 12 * 60_000;
/** Consumers remembered; a number each, and whoever sends wrong codes for one has his secret. */
const MAX_CONSUMERS = 10_000;

/**
 * Counts wrong codes by consumer, as RFC 4226 §7.3 asks: six digits can be guessed by who may try for long enough. Five
 * an hour find one of three codes in a million with a chance of 1 in 2,700 a day. A right code gives nothing back: its
 * owner would pay for whoever guesses beside him. GCRA, as limits.ts has it.
 */
export class WrongCodes {
  /** When everything is given back, by the monotonic clock; counted longest ago first. */
  readonly #fullAgainAt = new Map<string, number>();
  readonly #maxConsumers: number;

  constructor(maxConsumers = MAX_CONSUMERS) {
    this.#maxConsumers = maxConsumers;
  }

  get size(): number {
    return this.#fullAgainAt.size;
  }

  /** True where no code is to be compared now, right or wrong. */
  exhausted(consumer: string, monotonicMs: number): boolean {
    return (this.#fullAgainAt.get(consumer) ?? 0) - monotonicMs > (AT_ONCE - 1) * PER_CODE_MS;
  }

  count(consumer: string, monotonicMs: number): void {
    const before = Math.max(this.#fullAgainAt.get(consumer) ?? 0, monotonicMs);
    this.#set(consumer, before + PER_CODE_MS);
    if (this.#fullAgainAt.size > this.#maxConsumers) this.#shrink(monotonicMs);
  }

  #set(consumer: string, fullAgainAt: number): void {
    this.#fullAgainAt.delete(consumer);
    this.#fullAgainAt.set(consumer, fullAgainAt);
  }

  #shrink(monotonicMs: number): void {
    for (const [consumer, fullAgainAt] of this.#fullAgainAt) {
      if (fullAgainAt <= monotonicMs) this.#fullAgainAt.delete(consumer);
    }
    if (this.#fullAgainAt.size <= this.#maxConsumers) return;
    const oldest = this.#fullAgainAt.keys().next().value;
    if (oldest !== undefined) this.#fullAgainAt.delete(oldest);
  }
}
