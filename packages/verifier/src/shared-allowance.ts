import type { Quota, RateLimit } from '@keyhold/protocol/feed';
import type { LimitScope, QuotaVerdict, RateLimitVerdict } from '@keyhold/protocol/verdict';
import type { Allowance } from './allowance.ts';
import { type LimitHolder, limitUnits } from './limits.ts';
import { periodEnd, periodStart } from './quotas.ts';
import type { ReplicaCredential } from './replica.ts';
import type { Answered, SharedLimit, TakeRequest } from './shared-store.ts';

/** What is left of limits and quota, as a verdict says it. */
export interface LimitDescription {
  describe(): { rateLimits?: RateLimitVerdict[]; quota?: QuotaVerdict; scope?: LimitScope };
}

interface NamedLimit {
  readonly name: string;
  readonly shared: SharedLimit;
}

/** Limits and quota of a key as a shared store counts them, copied while the replica could be looked at. */
export class SharedAllowance {
  readonly request: Omit<TakeRequest, 'replay' | 'factor'>;
  /** True where a limit or the quota has to be refused while the store can't be asked. */
  readonly closed: boolean;
  readonly #limits: readonly NamedLimit[];
  readonly #quota: Quota | null;
  readonly #wallMs: number;

  private constructor(
    request: Omit<TakeRequest, 'replay' | 'factor'>,
    limits: readonly NamedLimit[],
    of: { readonly quota: Quota | null; readonly closed: boolean; readonly wallMs: number },
  ) {
    this.request = request;
    this.#limits = limits;
    this.#quota = of.quota;
    this.closed = of.closed;
    this.#wallMs = of.wallMs;
  }

  static of({ key }: ReplicaCredential, cost: number, allowance: Allowance, wallMs: number): SharedAllowance {
    const { slots } = allowance;
    const limits = [...named(slots, key, key.id), ...named(slots, key.consumer, key.consumerId)];
    const { quota } = key;
    const refuses = (rule: Pick<RateLimit, 'withoutStore'> | null) => rule?.withoutStore === 'refuse';
    const closed = key.rules.some(refuses) || key.consumer.rules.some(refuses) || refuses(quota);
    const request = {
      owner: key.consumerId,
      limits: limits.map(({ shared }) => shared),
      quota:
        quota === null ? null : { ...periodOf(quota, wallMs), id: key.id, limit: quota.limit, floor: allowance.used },
      cost,
    };
    return new SharedAllowance(request, limits, { quota, closed, wallMs });
  }

  with(taken: Answered): LimitDescription {
    return { describe: () => this.#describe(taken) };
  }

  #describe({ limits, quota }: Answered): ReturnType<LimitDescription['describe']> {
    const mayPass = this.#limits.every(({ shared }) => shared.limit >= this.request.cost);
    const rateLimits = this.#limits.flatMap(({ name, shared: { limit } }, i) => {
      const state = limits[i];
      if (state === undefined) return [];
      const { remaining, resetMs, retryAfterMs } = state;
      const described = { name, limit, remaining, resetSeconds: Math.ceil(resetMs / 1000) };
      return retryAfterMs > 0 && mayPass
        ? { ...described, retryAfterSeconds: Math.ceil(retryAfterMs / 1000) }
        : described;
    });
    const described =
      quota === null || this.#quota === null ? {} : { quota: this.#describeQuota(this.#quota, quota.used) };
    if (rateLimits.length === 0 && described.quota === undefined) return {};
    return { ...(rateLimits.length > 0 ? { rateLimits } : {}), ...described, scope: 'installation' };
  }

  #describeQuota({ limit, period }: Quota, used: number): QuotaVerdict {
    const resetsAt = new Date(periodEnd(period, this.#wallMs)).toISOString();
    return { limit, remaining: Math.max(0, limit - used), period, resetsAt };
  }
}

function named(slots: Allowance['slots'], holder: LimitHolder, owner: string): NamedLimit[] {
  return holder.rules.map(({ name, windowMs }, i) => {
    return { name, shared: { id: `${owner}:${name}`, windowMs, limit: limitUnits(slots, holder, i) } };
  });
}

function periodOf({ period }: Quota, wallMs: number): { periodStart: number; periodEnd: number } {
  return { periodStart: periodStart(period, wallMs), periodEnd: periodEnd(period, wallMs) };
}
