import type { RateLimit } from '@keyhold/protocol/feed';
import type { RateLimitVerdict } from '@keyhold/protocol/verdict';

/**
 * GCRA (ITU-T I.371) with burst `limit`: a limit's whole state is its theoretical arrival time, one number, kept in
 * a slab by slot so that a million keys cost a few bytes each. Times are monotonic milliseconds.
 */
export interface LimitRule {
  readonly name: string;
  readonly windowMs: number;
}

/** Slots of one limit: its theoretical arrival time, and how many units it allows. */
export const SLOTS_PER_LIMIT = 2;

/** What keys have in common of their limits; how many units they allow lies in the slots. */
export function limitRules(limits: readonly RateLimit[]): readonly LimitRule[] {
  return limits.map(({ name, windowSeconds }) => ({ name, windowMs: windowSeconds * 1000 }));
}

/** Writes how many units each limit allows. */
export function writeLimits(table: SlotTable, slot: number, limits: readonly RateLimit[]): void {
  for (const [i, { limit }] of limits.entries()) table.set(slot + i * SLOTS_PER_LIMIT + 1, limit);
}

/** Never used before: any time is later. */
const UNUSED = Number.NEGATIVE_INFINITY;

/** Numbers by slot, growing by half; runs of freed slots are handed out again. */
export class SlotTable {
  #values = new Float64Array(1024);
  #end = 0;
  readonly #free = new Map<number, number[]>();

  /** Takes a run of `count` unused slots and returns its first. */
  allocate(count: number): number {
    const reused = this.#free.get(count)?.pop();
    const start = reused ?? this.#end;
    if (reused === undefined) {
      this.#end += count;
      if (this.#end > this.#values.length) this.#grow();
    }
    this.#values.fill(UNUSED, start, start + count);
    return start;
  }

  release(start: number, count: number): void {
    if (count === 0) return;
    const runs = this.#free.get(count);
    if (runs === undefined) this.#free.set(count, [start]);
    else runs.push(start);
  }

  get(slot: number): number {
    return this.#values[slot] as number;
  }

  set(slot: number, value: number): void {
    this.#values[slot] = value;
  }

  #grow(): void {
    const values = new Float64Array(Math.ceil(this.#end * 1.5));
    values.set(this.#values);
    this.#values = values;
  }
}

/** Some limits with the slots that hold their state. */
export interface LimitHolder {
  readonly rules: readonly LimitRule[];
  readonly slot: number;
}

/** One limit of a holder, with its state. */
class Meter {
  readonly #table: SlotTable;
  readonly #slot: number;
  readonly rule: LimitRule;
  readonly limit: number;

  constructor(table: SlotTable, { rules, slot }: LimitHolder, index: number) {
    this.#table = table;
    this.#slot = slot + index * SLOTS_PER_LIMIT;
    this.rule = rules[index] as LimitRule;
    this.limit = table.get(this.#slot + 1);
  }

  get arrival(): number {
    return this.#table.get(this.#slot);
  }

  arrivalAfter(cost: number, now: number): number {
    return Math.max(now, this.arrival) + (cost * this.rule.windowMs) / this.limit;
  }

  /** By how much `cost` units exceed the burst, in milliseconds of waiting; not above 0 when they don't. */
  excessMs(cost: number, now: number): number {
    // Rounding must not refuse the last unit: a thousandth of a unit, a microsecond at most, is let pass.
    const slackMs = Math.min(0.001, this.rule.windowMs / this.limit / 1000);
    return this.arrivalAfter(cost, now) - now - this.rule.windowMs - slackMs;
  }

  take(cost: number, now: number): void {
    this.#table.set(this.#slot, this.arrivalAfter(cost, now));
  }
}

/** True when every limit has `cost` units left. Touches nothing. */
export function limitsAllow(table: SlotTable, holder: LimitHolder, cost: number, now: number): boolean {
  for (let i = 0; i < holder.rules.length; i++) {
    if (new Meter(table, holder, i).excessMs(cost, now) > 0) return false;
  }
  return true;
}

/** Takes `cost` units from every limit; ask {@link limitsAllow} first, in the same step. */
export function takeFromLimits(table: SlotTable, holder: LimitHolder, cost: number, now: number): void {
  for (let i = 0; i < holder.rules.length; i++) new Meter(table, holder, i).take(cost, now);
}

/** Adds what is left of every limit, and how long a request that was refused should wait. */
export function describeLimits(
  table: SlotTable,
  holder: LimitHolder,
  refusedCost: number | null,
  now: number,
  described: RateLimitVerdict[],
): void {
  for (let i = 0; i < holder.rules.length; i++) {
    const meter = new Meter(table, holder, i);
    const { name, windowMs } = meter.rule;
    const aheadMs = Math.max(0, meter.arrival - now);
    const remaining = Math.max(0, Math.floor(((windowMs - aheadMs) * meter.limit) / windowMs + 1e-3));
    const resetSeconds = Math.ceil(aheadMs / 1000);
    const waitMs = refusedCost === null ? 0 : meter.excessMs(refusedCost, now);
    described.push(
      waitMs > 0
        ? { name, limit: meter.limit, remaining, resetSeconds, retryAfterSeconds: Math.ceil(waitMs / 1000) }
        : { name, limit: meter.limit, remaining, resetSeconds },
    );
  }
}
