import { rewrapAll } from './rewrap.ts';
import type { Vault } from './vault.ts';

/** Re-wraps in the background: one run at a time, begun again when it was asked for meanwhile. */
export class Rewrapper {
  readonly #vault: Vault;
  readonly #failed: (error: unknown) => void;
  #running: Promise<void> | null = null;
  #again = false;
  #stopped = false;

  constructor(vault: Vault, failed: (error: unknown) => void) {
    this.#vault = vault;
    this.#failed = failed;
  }

  /** Begins a run, or has one follow. */
  kick(): void {
    this.#again = true;
    this.#running ??= this.#run();
  }

  /** Resolves when nothing runs. */
  async idle(): Promise<void> {
    await this.#running;
  }

  /** Ends after the present batch. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false;
      // A store that can't be used now is tried again with the next kick.
      await rewrapAll(this.#vault, () => this.#stopped).catch(this.#failed);
    }
    this.#running = null;
  }
}
