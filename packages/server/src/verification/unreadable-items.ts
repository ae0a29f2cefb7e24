import type { Clock } from '../clock.ts';
import type { Log } from '../http/log.ts';

const QUIET_MS = 60_000;
/** Named at once; what further ones sent is counted together. */
const MOST_VERIFIERS = 100;
const [NOBODY, OTHERS] = ['unknown', 'others'];

/** Items of reports that could not be read, so that whoever sends them is found: counted, and told once a minute. */
export class UnreadableItems {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #log: { warn(fields: object, text: string): void };
  /** Since it was last told, by who sent them. */
  readonly #waiting = new Map<string, number>();
  #count = 0;
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Pick<Clock, 'monotonic'>, log: Pick<Log, 'warn'>) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Since the start. */
  get count(): number {
    return this.#count;
  }

  /** @param verifier its id, never what it sent: that may hold anything */
  note(verifier: string | null, items: number): void {
    if (items === 0) return;
    this.#count += items;
    const known = this.#waiting.has(verifier ?? NOBODY) || this.#waiting.size < MOST_VERIFIERS;
    const sender = known ? (verifier ?? NOBODY) : OTHERS;
    this.#waiting.set(sender, (this.#waiting.get(sender) ?? 0) + items);
    const now = this.#clock.monotonic();
    if (now - this.#toldAt < QUIET_MS) return;
    const verifiers = Object.fromEntries(this.#waiting);
    this.#log.warn({ verifiers }, 'what verifiers reported can not be read, in part');
    this.#waiting.clear();
    this.#toldAt = now;
  }
}
