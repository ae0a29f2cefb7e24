import type { Clock } from '../clock.ts';
import type { Ledger } from '../ledger/ledger.ts';

const MINUTE_MS = 60_000;

/** Enters uses of the bootstrap token, at most one entry a minute: it is meant for the beginning only. */
export class BootstrapUse {
  readonly #ledger: Ledger;
  readonly #clock: Clock;
  readonly #tokenId: string;
  #enteredAt = Number.NEGATIVE_INFINITY;

  constructor(ledger: Ledger, clock: Clock, tokenId: string) {
    this.#ledger = ledger;
    this.#clock = clock;
    this.#tokenId = tokenId;
  }

  /** Returns when the use is entered; a use that can't be entered does not happen. */
  async note(tokenId: string): Promise<void> {
    const now = this.#clock.monotonic();
    if (tokenId !== this.#tokenId || now - this.#enteredAt < MINUTE_MS) return;
    const before = this.#enteredAt;
    this.#enteredAt = now;
    try {
      await this.#ledger.record(
        { actor: tokenId, action: 'bootstrap.used', subject: tokenId, evenWithoutChange: true },
        async () => null,
      );
    } catch (error) {
      this.#enteredAt = before;
      throw error;
    }
  }
}
