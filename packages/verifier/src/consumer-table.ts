import type { LimitRule } from './limits.ts';
import { IdIndex } from './id-index.ts';
import type { ReplicaConsumer } from './replica.ts';

const NO_RULES: readonly LimitRule[] = [];
const NONE = -1;

/** All consumers, by id. Most have no limits of their own, and then a verification reads one number here. */
export class ConsumerTable {
  readonly ids: string[] = [];
  readonly rules: (readonly LimitRule[])[] = [];
  /** {@link NONE} where there are no limits. */
  slots = new Int32Array(16);
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
    if (number >= this.slots.length) {
      const larger = new Int32Array(Math.ceil(number * 1.25) + 1);
      larger.set(this.slots);
      this.slots = larger;
    }
    this.ids[number] = id;
    this.rules[number] = rules;
    this.slots[number] = rules.length === 0 ? NONE : slot;
    if (known < 0) this.#index.add(number);
  }

  delete(id: string): void {
    const number = this.find(id);
    if (number < 0) return;
    this.#index.remove(id);
    this.#freed.push(number);
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
    return this.slot === NONE ? NO_RULES : (this.#table.rules[this.number] as readonly LimitRule[]);
  }
}
