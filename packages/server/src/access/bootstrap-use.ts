import type { Clock } from '../clock.ts';
import type { Ledger } from '../ledger/ledger.ts';

const MINUTE_MS = 60_000;

/** Enters uses of the bootstrap token, at most one entry a minute: it is meant for the beginning only. */
export class BootstrapUse {
  readonly #ledger: Ledger;
  readonly #clock: Clock;
  readonly #tokenId: string | null;
  #enteredAt = Number.NEGATIVE_INFINITY;
  #entered: Promise<void> | null = null;

  constructor(ledger: Ledger, clock: Clock, tokenId: string | null) {
    this.#ledger = ledger;
    this.#clock = clock;
    this.#tokenId = tokenId;
  }

  /** Returns when the use is entered; a use that can't be entered does not happen. */
  async note(tokenId: string): Promise<void> {
    if (tokenId !== this.#tokenId) return;
    const now = this.#clock.monotonic();
    if (this.#entered === null || now - this.#enteredAt >= MINUTE_MS) {
      this.#enteredAt = now;
      this.#entered = this.#enter(tokenId);
      // The next use tries again.
      this.#entered.catch(() => (this.#entered = null));
    }
    await this.#entered;
  }

  async #enter(tokenId: string): Promise<void> {
    const draft = { actor: tokenId, action: 'bootstrap.used', subject: tokenId };
    await this.#ledger.record({ ...draft, evenWithoutChange: true }, async () => null);
  }
}
