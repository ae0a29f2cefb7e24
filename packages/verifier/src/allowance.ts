import type { Quota } from '@keyhold/protocol/feed';
import type { LimitScope, QuotaVerdict, RateLimitVerdict } from '@keyhold/protocol/verdict';
import {
  describeLimits,
  type LimitHolder,
  limitsAllow,
  limitsFit,
  SLOTS_PER_LIMIT,
  type SlotTable,
  takeFromLimits,
} from './limits.ts';
import { periodEnd, periodStart } from './quotas.ts';
import type { QuotaSlices } from './quota-slices.ts';
import type { ReplicaKey } from './replica.ts';

const NO_LIMITS: LimitHolder = { rules: [], slot: 0 };

/**
 * What a key may still use, of its own limits, its consumer's and its quota: all or nothing. Made, asked, and taken
 * from in one synchronous step, so that no other request comes between.
 */
export class Allowance {
  readonly code: 'VALID' | 'RATE_LIMITED' | 'QUOTA_EXCEEDED';
  /** True when the key or its consumer has any limit or quota. */
  readonly limited: boolean;
  /** State of limits and quotas. */
  readonly slots: SlotTable;
  readonly #own: LimitHolder;
  readonly #consumer: LimitHolder;
  readonly #quota: Quota | null;
  readonly #slices: QuotaSlices | null;
  readonly #key: ReplicaKey;
  /** False where units were taken that this verifier was not handed. */
  #covered = true;
  readonly #cost: number;
  readonly #monotonicMs: number;
  readonly #wallMs: number;

  /** @param slices where quotas are handed out in slices; null: a store counts them, or nobody else does */
  constructor(
    slots: SlotTable,
    key: ReplicaKey,
    cost: number,
    now: { readonly monotonicMs: number; readonly wallMs: number },
    slices: QuotaSlices | null = null,
  ) {
    this.slots = slots;
    this.#own = key;
    const { consumer } = key;
    // Most have none, and then its slot is not worth a look.
    const { rules } = consumer;
    this.#consumer = rules.length === 0 ? NO_LIMITS : { rules, slot: consumer.slot };
    this.#quota = key.quota;
    this.#slices = slices;
    this.#key = key;
    this.#cost = cost;
    this.#monotonicMs = now.monotonicMs;
    this.#wallMs = now.wallMs;
    this.limited = this.#own.rules.length > 0 || this.#consumer.rules.length > 0 || this.#quota !== null;
    this.code = this.limited ? this.#judge() : 'VALID';
  }

  #judge(): 'VALID' | 'RATE_LIMITED' | 'QUOTA_EXCEEDED' {
    const allowed =
      limitsAllow(this.slots, this.#own, this.#cost, this.#monotonicMs) &&
      limitsAllow(this.slots, this.#consumer, this.#cost, this.#monotonicMs);
    if (!allowed) return 'RATE_LIMITED';
    return this.#quota !== null && this.#quotaUsed() + this.#cost > this.#quota.limit ? 'QUOTA_EXCEEDED' : 'VALID';
  }

  /** Takes the cost everywhere. */
  take(): void {
    takeFromLimits(this.slots, this.#own, this.#cost, this.#monotonicMs);
    if (this.#consumer !== NO_LIMITS) takeFromLimits(this.slots, this.#consumer, this.#cost, this.#monotonicMs);
    if (this.#quota === null) return;
    const used = this.#quotaUsed();
    const start = this.#quotaStart(this.#quota);
    if (this.#slices !== null) this.#covered = this.#slices.take(this.#key.id, start, this.#cost);
    this.slots.set(this.#quotaSlot(), start);
    this.slots.set(this.#quotaSlot() + 1, used + this.#cost);
  }

  /** Units of the quota that have to be handed to this verifier first; null where none are. */
  get missing(): { readonly key: string; readonly start: number; readonly units: number } | null {
    if (this.#slices === null || this.#quota === null) return null;
    const [key, start, units] = [this.#key.id, this.#quotaStart(this.#quota), this.#cost];
    return this.#slices.covers(key, start, units) ? null : { key, start, units };
  }

  describe(): { rateLimits?: RateLimitVerdict[]; quota?: QuotaVerdict; scope?: LimitScope } {
    if (!this.limited) return {};
    // A request that costs more than a limit ever allows never passes, however long it waits for the others.
    const mayPass = limitsFit(this.slots, this.#own, this.#cost) && limitsFit(this.slots, this.#consumer, this.#cost);
    const refusedCost = this.code === 'RATE_LIMITED' && mayPass ? this.#cost : null;
    const own = describeLimits(this.slots, this.#own, refusedCost, this.#monotonicMs);
    const rateLimits =
      this.#consumer === NO_LIMITS
        ? own
        : [...own, ...describeLimits(this.slots, this.#consumer, refusedCost, this.#monotonicMs)];
    if (this.#quota === null) return { rateLimits, scope: 'verifier' };
    const quota = this.#describeQuota(this.#quota);
    // What was handed out in slices is exact for all; limits by time are each verifier's own.
    if (rateLimits.length > 0) return { rateLimits, quota, scope: 'verifier' };
    return { quota, scope: this.#slices !== null && this.#covered ? 'installation' : 'verifier' };
  }

  /** Units of the quota used in the present period, as far as this verifier knows; 0 where there is none. */
  get used(): number {
    return this.#quotaUsed();
  }

  #describeQuota({ limit, period }: Quota): QuotaVerdict {
    const remaining = Math.max(0, limit - this.#quotaUsed());
    return { limit, remaining, period, resetsAt: new Date(periodEnd(period, this.#wallMs)).toISOString() };
  }

  /** A wall clock set back stays in the later period. */
  #quotaStart({ period }: Quota): number {
    return Math.max(this.slots.get(this.#quotaSlot()), periodStart(period, this.#wallMs));
  }

  #quotaSlot(): number {
    return this.#own.slot + this.#own.rules.length * SLOTS_PER_LIMIT;
  }

  /** Units used in the present period; a wall clock set back stays in the later period. */
  #quotaUsed(): number {
    if (this.#quota === null) return 0;
    const current = this.slots.get(this.#quotaSlot()) >= periodStart(this.#quota.period, this.#wallMs);
    return current ? this.slots.get(this.#quotaSlot() + 1) : 0;
  }
}
