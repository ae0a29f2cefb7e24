import type { LimitRule } from './limits.ts';
import { IdIndex } from './id-index.ts';
import type { ReplicaConsumer } from './replica.ts';

const NO_RULES: readonly LimitRule[] = [];

/** All consumers, by id. Most have no limits of their own, and then a verification reads one bit here. */
export class ConsumerTable {
  readonly ids: string[] = [];
  readonly rules: (readonly LimitRule[])[] = [];
  readonly slots: number[] = [];
  /** A bit a consumer: it has limits. Small enough to stay in the processor's cache. */
  limited = new Uint32Array(1);
  readonly #freed: number[] = [];
  readonly #index = new IdIndex(this.ids, 1);

  /** Number of the consumer, or -1. */
  find(id: string): number {
    return this.#index.find(id);
  }

  get(id: string): TableConsumer | undefined {
    const number = this.find(id);
    return number < 0 ? undefined : new TableConsumer(this, number);
  }

  set(id: string, rules: readonly LimitRule[], slot: number): void {
    const known = this.find(id);
    const number = known >= 0 ? known : (this.#freed.pop() ?? this.ids.length);
    this.ids[number] = id;
    this.rules[number] = rules;
    this.slots[number] = slot;
    this.#setLimited(number, rules.length > 0);
    if (known < 0) this.#index.add(number);
  }

  delete(id: string): void {
    const number = this.find(id);
    if (number < 0) return;
    this.#index.remove(id);
    this.#freed.push(number);
  }

  #setLimited(number: number, limited: boolean): void {
    const word = number >>> 5;
    if (word >= this.limited.length) {
      const larger = new Uint32Array(word * 2);
      larger.set(this.limited);
      this.limited = larger;
    }
    const bit = 1 << (number & 31);
    const others = (this.limited[word] as number) & ~bit;
    this.limited[word] = limited ? others | bit : others;
  }

  *[Symbol.iterator](): Generator<TableConsumer> {
    for (const number of this.#index.numbers()) yield new TableConsumer(this, number);
  }
}

/** One consumer, read when asked. Not to be kept. */
export class TableConsumer implements ReplicaConsumer {
  readonly #table: ConsumerTable;
  readonly number: number;

  constructor(table: ConsumerTable, number: number) {
    this.#table = table;
    this.number = number;
  }

  get id(): string {
    return this.#table.ids[this.number] as string;
  }

  get slot(): number {
    return this.#table.slots[this.number] as number;
  }

  get rules(): readonly LimitRule[] {
    const word = this.#table.limited[this.number >>> 5] as number;
    if ((word & (1 << (this.number & 31))) === 0) return NO_RULES;
    return this.#table.rules[this.number] as readonly LimitRule[];
  }
}
