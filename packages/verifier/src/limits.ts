import type { RateLimit } from '@keyhold/protocol/feed';
import type { RateLimitVerdict } from '@keyhold/protocol/verdict';

/**
 * GCRA (ITU-T I.371) with burst `limit`: a limit's whole state is its theoretical arrival time, one number, kept in
 * a slab by slot so that a million keys cost eight bytes each. Times are monotonic milliseconds.
 */
export interface LimitRule {
  readonly name: string;
  readonly limit: number;
  readonly windowMs: number;
}

export function limitRules(limits: readonly RateLimit[]): readonly LimitRule[] {
  return limits.map(({ name, limit, windowSeconds }) => ({ name, limit, windowMs: windowSeconds * 1000 }));
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

function nextArrival(table: SlotTable, slot: number, rule: LimitRule, cost: number, now: number): number {
  return Math.max(now, table.get(slot)) + (cost * rule.windowMs) / rule.limit;
}

/** True when every limit has `cost` units left. Touches nothing. */
export function limitsAllow(table: SlotTable, holder: LimitHolder, cost: number, now: number): boolean {
  const { rules, slot } = holder;
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i] as LimitRule;
    if (nextArrival(table, slot + i, rule, cost, now) - now > rule.windowMs) return false;
  }
  return true;
}

/** Takes `cost` units from every limit; ask {@link limitsAllow} first, in the same step. */
export function takeFromLimits(table: SlotTable, holder: LimitHolder, cost: number, now: number): void {
  const { rules, slot } = holder;
  for (let i = 0; i < rules.length; i++) {
    table.set(slot + i, nextArrival(table, slot + i, rules[i] as LimitRule, cost, now));
  }
}

/** What is left of every limit, and how long a request that was refused should wait. */
export function describeLimits(
  table: SlotTable,
  holder: LimitHolder,
  refusedCost: number | null,
  now: number,
): RateLimitVerdict[] {
  return holder.rules.map((rule, i) => {
    const ahead = Math.max(0, table.get(holder.slot + i) - now);
    const described = {
      name: rule.name,
      limit: rule.limit,
      remaining: Math.max(0, Math.floor(((rule.windowMs - ahead) * rule.limit) / rule.windowMs + 1e-9)),
      resetSeconds: Math.ceil(ahead / 1000),
    };
    if (refusedCost === null) return described;
    const waitMs = nextArrival(table, holder.slot + i, rule, refusedCost, now) - now - rule.windowMs;
    return waitMs > 0 ? { ...described, retryAfterSeconds: Math.ceil(waitMs / 1000) } : described;
  });
}
