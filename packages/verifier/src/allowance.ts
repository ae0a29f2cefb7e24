import type { QuotaVerdict, RateLimitVerdict } from '@keyhold/protocol/verdict';
import { describeLimits, limitsAllow, SLOTS_PER_LIMIT, type SlotTable, takeFromLimits } from './limits.ts';
import { periodEnd, periodStart } from './quotas.ts';
import type { ReplicaKey } from './replica.ts';

/**
 * What a key may still use, of its own limits, its consumer's and its quota: all or nothing. Made, asked, and taken
 * from in one synchronous step, so that no other request comes between.
 */
export class Allowance {
  readonly code: 'VALID' | 'RATE_LIMITED' | 'QUOTA_EXCEEDED';
  readonly #slots: SlotTable;
  readonly #key: ReplicaKey;
  readonly #cost: number;
  readonly #monotonicMs: number;
  readonly #wallMs: number;

  constructor(slots: SlotTable, key: ReplicaKey, cost: number, monotonicMs: number, wallMs: number) {
    this.#slots = slots;
    this.#key = key;
    this.#cost = cost;
    this.#monotonicMs = monotonicMs;
    this.#wallMs = wallMs;
    this.code = this.#judge();
  }

  /** True when the key or its consumer has any limit or quota. */
  get limited(): boolean {
    const { rules, consumer, quota } = this.#key;
    return rules.length > 0 || consumer.rules.length > 0 || quota !== null;
  }

  #judge(): 'VALID' | 'RATE_LIMITED' | 'QUOTA_EXCEEDED' {
    const allowed =
      limitsAllow(this.#slots, this.#key, this.#cost, this.#monotonicMs) &&
      limitsAllow(this.#slots, this.#key.consumer, this.#cost, this.#monotonicMs);
    if (!allowed) return 'RATE_LIMITED';
    const { quota } = this.#key;
    return quota !== null && this.#quotaUsed() + this.#cost > quota.limit ? 'QUOTA_EXCEEDED' : 'VALID';
  }

  /** Takes the cost everywhere. */
  take(): void {
    takeFromLimits(this.#slots, this.#key, this.#cost, this.#monotonicMs);
    takeFromLimits(this.#slots, this.#key.consumer, this.#cost, this.#monotonicMs);
    const { quota } = this.#key;
    if (quota === null) return;
    const used = this.#quotaUsed();
    this.#slots.set(
      this.#quotaSlot,
      Math.max(this.#slots.get(this.#quotaSlot), periodStart(quota.period, this.#wallMs)),
    );
    this.#slots.set(this.#quotaSlot + 1, used + this.#cost);
  }

  describe(): { rateLimits?: RateLimitVerdict[]; quota?: QuotaVerdict; scope?: 'verifier' } {
    if (!this.limited) return {};
    const refusedCost = this.code === 'RATE_LIMITED' ? this.#cost : null;
    const limits: RateLimitVerdict[] = [];
    describeLimits(this.#slots, this.#key, refusedCost, this.#monotonicMs, limits);
    describeLimits(this.#slots, this.#key.consumer, refusedCost, this.#monotonicMs, limits);
    const described = limits.length > 0 ? { rateLimits: limits } : {};
    const { quota } = this.#key;
    if (quota === null) return { ...described, scope: 'verifier' };
    return { ...described, quota: this.#describeQuota(quota.limit, quota.period), scope: 'verifier' };
  }

  #describeQuota(limit: number, period: QuotaVerdict['period']): QuotaVerdict {
    const remaining = Math.max(0, limit - this.#quotaUsed());
    return { limit, remaining, period, resetsAt: new Date(periodEnd(period, this.#wallMs)).toISOString() };
  }

  get #quotaSlot(): number {
    return this.#key.slot + this.#key.rules.length * SLOTS_PER_LIMIT;
  }

  /** Units used in the present period; a wall clock set back stays in the later period. */
  #quotaUsed(): number {
    const { quota } = this.#key;
    if (quota === null) return 0;
    const current = this.#slots.get(this.#quotaSlot) >= periodStart(quota.period, this.#wallMs);
    return current ? this.#slots.get(this.#quotaSlot + 1) : 0;
  }
}
