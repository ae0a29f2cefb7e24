import { MAX_QUOTA_SLICES, type QuotaAnswer, type QuotaQuestion } from '@keyhold/protocol/verification-messages';

/** Whom slices are asked of. */
export interface QuotaSource {
  readonly connected: boolean;
  /** Null where there is no answer. */
  ask(question: QuotaQuestion): Promise<unknown>;
}

/** What became of asking: more may be there now; nothing is left to hand out; nobody could be asked. */
export type Obtained = 'asked' | 'none' | 'unreachable';

interface Slice {
  /** Start of the period, epoch milliseconds. */
  readonly start: number;
  /** Units that this verifier may use in the period, and those that it has used. */
  granted: number;
  used: number;
  /** By the monotonic clock. */
  usedAt: number;
  /** Nothing was left at this moment by the monotonic clock. */
  noneAt: number;
}

interface Wanted {
  readonly start: number;
  units: number;
  readonly waiting: ((obtained: Obtained) => void)[];
}

/** Who was told that nothing is left asks again after so long: others give back what they don't use. */
const ASK_AGAIN_MS = 1_000;
/** A slice that nobody used for so long is given back. */
const IDLE_MS = 10_000;

/**
 * Quotas without a store that verifiers share: the control plane hands each verifier a slice of a period's units, and a
 * verifier uses what it was handed.
 *
 * INVARIANT: `granted` is only ever raised by an answer, and each question says what is held then, so an answer that is
 * lost raises it on neither side. One question is under way at a time, and each is numbered: one that comes late
 * changes nothing.
 */
export class QuotaSlices {
  readonly #source: QuotaSource;
  readonly #monotonic: () => number;
  readonly #learn: (key: string, start: number, used: number) => void;
  readonly #slices = new Map<string, Slice>();
  readonly #wanted = new Map<string, Wanted>();
  #asking = false;
  #turn = 0;

  /** @param learn told how much of a period's units all verifiers together have used */
  constructor(source: QuotaSource, monotonic: () => number, learn: (key: string, start: number, used: number) => void) {
    this.#source = source;
    this.#monotonic = monotonic;
    this.#learn = learn;
  }

  /** Slices held. */
  get size(): number {
    return this.#slices.size;
  }

  /** Whether so many units can be taken of what is held. */
  covers(key: string, start: number, units: number): boolean {
    if (units === 0) return true;
    const slice = this.#slices.get(key);
    return slice !== undefined && slice.start === start && slice.used + units <= slice.granted;
  }

  /**
   * Takes units; ask {@link covers} in the same step. Where it does not, they are counted all the same, and told with
   * the next question.
   * @returns false where they were not covered
   */
  take(key: string, start: number, units: number): boolean {
    if (units === 0) return true;
    const slice = this.#sliceOf(key, start);
    slice.used += units;
    slice.usedAt = this.#monotonic();
    return slice.used <= slice.granted;
  }

  /** Units that this verifier used in the period; 0 in another. */
  usedOf(key: string, start: number): number {
    const slice = this.#slices.get(key);
    return slice?.start === start ? slice.used : 0;
  }

  /** Asks for more; then ask {@link covers} again: others may have been before. Never rejects. */
  obtain(key: string, start: number, units: number): Promise<Obtained> {
    if (!this.#source.connected) return Promise.resolve('unreachable');
    const { noneAt } = this.#sliceOf(key, start);
    if (this.#monotonic() - noneAt < ASK_AGAIN_MS) return Promise.resolve('none');
    const wanted = this.#wantedOf(key, start);
    wanted.units += units;
    return new Promise((resolve) => {
      wanted.waiting.push(resolve);
      void this.#ask();
    });
  }

  /** Gives back what nobody used for a while, and forgets periods that are over. */
  giveBackIdle(isCurrent: (key: string, start: number) => boolean): void {
    const before = this.#monotonic() - IDLE_MS;
    for (const [key, slice] of this.#slices) {
      if (slice.usedAt > before || this.#wanted.has(key)) continue;
      if (!isCurrent(key, slice.start)) this.#slices.delete(key);
      else if (slice.granted > slice.used) this.#giveBack(key, slice);
    }
    void this.#ask();
  }

  /** Gives back everything, at once and without waiting: nothing is decided after it. */
  giveBackAll(): void {
    const held = [...this.#slices].filter(([, { granted, used }]) => granted > used);
    for (const [key, slice] of held) this.#giveBack(key, slice);
    for (let i = 0; i < held.length; i += MAX_QUOTA_SLICES) {
      void this.#source.ask(this.#question(held.slice(i, i + MAX_QUOTA_SLICES).map(([key]) => key)));
    }
  }

  #giveBack(key: string, slice: Slice): void {
    slice.granted = slice.used;
    this.#wantedOf(key, slice.start);
  }

  async #ask(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    // What is wanted in one turn goes out together.
    await null;
    while (this.#wanted.size > 0) {
      const keys = [...this.#wanted.keys()].slice(0, MAX_QUOTA_SLICES);
      const asked = keys.map((key) => [key, this.#wanted.get(key) as Wanted] as const);
      const question = this.#question(keys);
      for (const key of keys) this.#wanted.delete(key);
      const answer = readAnswer(await this.#source.ask(question));
      for (const [key, { start, units, waiting }] of asked) {
        const obtained = this.#take(key, start, units, answer);
        for (const resolve of waiting) resolve(obtained);
      }
    }
    this.#asking = false;
  }

  #question(keys: readonly string[]): QuotaQuestion {
    const quotas = keys.map((key) => {
      const { start, granted, used } = this.#slices.get(key) as Slice;
      const wanted = this.#wanted.get(key);
      const of = wanted?.start === start ? wanted.units : 0;
      // What was counted beyond a slice was used all the same.
      return { key, periodStart: start, granted: Math.max(granted, used), used, wanted: of };
    });
    return { turn: ++this.#turn, quotas };
  }

  #take(key: string, start: number, units: number, answer: QuotaAnswer | null): Obtained {
    const given = answer?.quotas.find((one) => one.key === key);
    if (given === undefined) return 'unreachable';
    this.#learn(key, start, given.usedByAll);
    const slice = this.#slices.get(key);
    if (slice === undefined || slice.start !== start) return 'asked';
    const raised = given.granted > slice.granted;
    slice.granted = Math.max(slice.granted, given.granted);
    if (raised || units === 0) return 'asked';
    slice.noneAt = this.#monotonic();
    return 'none';
  }

  #sliceOf(key: string, start: number): Slice {
    const known = this.#slices.get(key);
    if (known !== undefined && known.start === start) return known;
    const usedAt = this.#monotonic();
    const slice = { start, granted: 0, used: 0, usedAt, noneAt: Number.NEGATIVE_INFINITY };
    this.#slices.set(key, slice);
    return slice;
  }

  #wantedOf(key: string, start: number): Wanted {
    const known = this.#wanted.get(key);
    if (known !== undefined && known.start === start) return known;
    // The period ended while somebody waited: he decides again.
    for (const resolve of known?.waiting ?? []) resolve('asked');
    const wanted: Wanted = { start, units: 0, waiting: [] };
    this.#wanted.set(key, wanted);
    return wanted;
  }
}

function readAnswer(answer: unknown): QuotaAnswer | null {
  const quotas: unknown = typeof answer === 'object' && answer !== null && 'quotas' in answer ? answer.quotas : null;
  return Array.isArray(quotas) ? { quotas: quotas.filter(isHandedOut) } : null;
}

function isHandedOut(one: unknown): one is QuotaAnswer['quotas'][number] {
  const { key, granted, usedByAll } = (one ?? {}) as Partial<QuotaAnswer['quotas'][number]>;
  return typeof key === 'string' && Number.isSafeInteger(granted) && Number.isSafeInteger(usedByAll);
}
