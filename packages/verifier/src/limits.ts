import type { RateLimit, WithoutStore } from '@keyhold/protocol/feed';
import type { RateLimitVerdict } from '@keyhold/protocol/verdict';

/**
 * GCRA (ITU-T I.371) with burst `limit`: a limit's whole state is its theoretical arrival time, one number, kept in
 * a slab by slot so that a million keys cost a few bytes each. Times are monotonic milliseconds.
 */
export interface LimitRule {
  readonly name: string;
  readonly windowMs: number;
  readonly withoutStore?: WithoutStore;
}

/** Slots of one limit: its theoretical arrival time, and how many units it allows. */
export const SLOTS_PER_LIMIT = 2;

/** What keys have in common of their limits; how many units they allow lies in the slots. */
export function limitRules(limits: readonly RateLimit[]): readonly LimitRule[] {
  return limits.map(({ name, windowSeconds, withoutStore }) => {
    const rule = { name, windowMs: windowSeconds * 1000 };
    return withoutStore === undefined ? rule : { ...rule, withoutStore };
  });
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

/** Units that the limit of a holder's i-th rule allows. */
export function limitUnits(table: SlotTable, { slot }: LimitHolder, i: number): number {
  return table.get(slot + i * SLOTS_PER_LIMIT + 1);
}

/**
 * When the limit at `at` is used up to. Never beyond a window from now, but where the limit was given a shorter one:
 * then it is a window from the first look at it, and noted, so that time goes on from there.
 */
function arrivalOf(table: SlotTable, at: number, rule: LimitRule, now: number): number {
  const arrival = table.get(at);
  const last = now + rule.windowMs;
  if (arrival <= last || arrival <= last + slackMs(table, at, rule)) return arrival;
  table.set(at, last);
  return last;
}

/** When it would be used up to, after `cost` units more. */
function arrivalAfter(table: SlotTable, at: number, rule: LimitRule, cost: number, now: number): number {
  return Math.max(now, arrivalOf(table, at, rule, now)) + (cost * rule.windowMs) / table.get(at + 1);
}

/** Rounding must not refuse the last unit: a thousandth of a unit, a microsecond at most, is let pass. */
function slackMs(table: SlotTable, at: number, { windowMs }: LimitRule): number {
  return Math.min(0.001, windowMs / table.get(at + 1) / 1000);
}

/** By how much `cost` units exceed the burst, in milliseconds of waiting; not above 0 when they don't. */
function excessMs(table: SlotTable, at: number, rule: LimitRule, cost: number, now: number): number {
  const excess = arrivalAfter(table, at, rule, cost, now) - now - rule.windowMs;
  return excess <= 0 ? excess : excess - slackMs(table, at, rule);
}

/** True when every limit has `cost` units left. Takes nothing. */
export function limitsAllow(table: SlotTable, { rules, slot }: LimitHolder, cost: number, now: number): boolean {
  for (let i = 0; i < rules.length; i++) {
    if (excessMs(table, slot + i * SLOTS_PER_LIMIT, rules[i] as LimitRule, cost, now) > 0) return false;
  }
  return true;
}

/** True when every limit allows `cost` units at once to who waited long enough. */
export function limitsFit(table: SlotTable, holder: LimitHolder, cost: number): boolean {
  for (let i = 0; i < holder.rules.length; i++) if (cost > limitUnits(table, holder, i)) return false;
  return true;
}

/** Takes `cost` units from every limit; ask {@link limitsAllow} first, in the same step. */
export function takeFromLimits(table: SlotTable, { rules, slot }: LimitHolder, cost: number, now: number): void {
  for (let i = 0; i < rules.length; i++) {
    const at = slot + i * SLOTS_PER_LIMIT;
    table.set(at, arrivalAfter(table, at, rules[i] as LimitRule, cost, now));
  }
}

/** What is left of every limit, and how long a request that was refused should wait. */
export function describeLimits(
  table: SlotTable,
  { rules, slot }: LimitHolder,
  refusedCost: number | null,
  now: number,
): RateLimitVerdict[] {
  const described = new Array<RateLimitVerdict>(rules.length);
  for (let i = 0; i < rules.length; i++) {
    described[i] = describeLimit(table, slot + i * SLOTS_PER_LIMIT, rules[i] as LimitRule, refusedCost, now);
  }
  return described;
}

function describeLimit(
  table: SlotTable,
  at: number,
  rule: LimitRule,
  refusedCost: number | null,
  now: number,
): RateLimitVerdict {
  const { name, windowMs } = rule;
  const limit = table.get(at + 1);
  const aheadMs = Math.max(0, arrivalOf(table, at, rule, now) - now);
  const leftMs = windowMs - aheadMs + slackMs(table, at, rule);
  const remaining = Math.max(0, Math.floor((leftMs * limit) / windowMs));
  const resetSeconds = Math.ceil(aheadMs / 1000);
  const waitMs = refusedCost === null ? 0 : excessMs(table, at, rule, refusedCost, now);
  return waitMs > 0
    ? { name, limit, remaining, resetSeconds, retryAfterSeconds: Math.ceil(waitMs / 1000) }
    : { name, limit, remaining, resetSeconds };
}
