import { prepare } from './cedar.ts';
import type { Policy } from './policy.ts';

/** Sets that are kept parsed at a time; of too many the one goes that was asked least recently. */
const MAX_PREPARED = 1_000;

/** Sets of policies that are kept parsed, so that a decision parses none. Cedar keeps them by name for good: names are reused. */
export class PreparedSets {
  readonly #prefix: string;
  readonly #max: number;
  /** Names by what they hold, least recently asked first. */
  readonly #names = new Map<string, string>();

  constructor(prefix: string, max = MAX_PREPARED) {
    this.#prefix = prefix;
    this.#max = max;
  }

  /** Name of the set of just these; an id stands for one text, until `clear`. */
  nameOf(policies: readonly Policy[]): string {
    const key = policies.map(({ id }) => id).join(' ');
    const known = this.#names.get(key);
    const name = known ?? this.#freeName();
    if (known === undefined) prepare(name, Object.fromEntries(policies.map(({ id, text }) => [id, text])));
    this.#names.delete(key);
    this.#names.set(key, name);
    return name;
  }

  #freeName(): string {
    const [oldest] = this.#names;
    if (oldest === undefined || this.#names.size < this.#max) return `${this.#prefix} ${this.#names.size}`;
    this.#names.delete(oldest[0]);
    return oldest[1];
  }

  /** Forgets all of them. */
  clear(): void {
    this.#names.clear();
  }
}
