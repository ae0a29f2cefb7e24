import type { Quota } from '@keyhold/protocol/feed';
import { SLOTS_PER_LIMIT } from './limits.ts';
import { periodStart } from './quotas.ts';
import type { Replica } from './replica.ts';

/** How far a key's quota is used, as its slots have it. */
export interface QuotaUse {
  /** Start of the period that was used last, epoch milliseconds. */
  readonly periodStart: number;
  /** Units used in it by all verifiers, as far as this one knows. */
  readonly used: number;
}

/** Null where the key has no quota any more, or one that was not used since it has its period. */
export function quotaUseOf(replica: Replica, id: string): QuotaUse | null {
  const found = find(replica, id);
  const start = found === null ? Number.NEGATIVE_INFINITY : replica.slots.get(found.slot);
  if (found === null || !Number.isFinite(start)) return null;
  return { periodStart: start, used: replica.slots.get(found.slot + 1) };
}

/** Notes what all verifiers together have used, which one alone cannot see. */
export function learnQuotaUse(replica: Replica, id: string, start: number, used: number): void {
  const found = find(replica, id);
  if (found === null || replica.slots.get(found.slot) > start) return;
  // The quota may have another period than when it was asked about.
  if (periodStart(found.quota.period, start) !== start) return;
  const known = replica.slots.get(found.slot) === start ? replica.slots.get(found.slot + 1) : 0;
  replica.slots.set(found.slot, start);
  replica.slots.set(found.slot + 1, Math.max(known, used));
}

/** Whether that period of a key's quota is not over. */
export function isPeriodOf(replica: Replica, id: string, start: number, wallMs: number): boolean {
  const found = find(replica, id);
  return found !== null && periodStart(found.quota.period, wallMs) <= start;
}

function find(replica: Replica, id: string): { readonly slot: number; readonly quota: Quota } | null {
  const key = replica.key(id);
  if (key === undefined || key.quota === null) return null;
  return { slot: key.slot + key.rules.length * SLOTS_PER_LIMIT, quota: key.quota };
}
