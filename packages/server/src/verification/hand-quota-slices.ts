import type { Quota } from '@keyhold/protocol/feed';
import type { QuotaAnswer, QuotaQuestion } from '@keyhold/protocol/verification-messages';
import { periodStart } from '@keyhold/verifier/quotas';
import type { Kysely } from 'kysely';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/schema.ts';
import type { Scratch } from '../database/scratch.ts';
import type { Asking } from '../feed/feed-source.ts';
import { isAddressedTo } from '../feed/scope.ts';
import { readCheckedRows } from '../ledger/checked-rows.ts';
import { handOut } from './quota-slice.ts';
import { forgetSlices, type HeldSlice, quotaUsesOf, slicesOf, storeSlices } from './quota-slices.store.ts';

interface Handing {
  readonly scratch: Scratch;
  readonly reader: Kysely<Database>;
  readonly clock: Pick<Clock, 'wall'>;
}

/** By how much a verifier's clock may differ from ours at the end of a period. */
const SKEW_MS = 300_000;

type AskedQuota = QuotaQuestion['quotas'][number];

/**
 * Hands a verifier units of quotas, or takes some back. Durable before the answer: what was handed out once is not
 * handed out again, whichever side crashes.
 */
export async function handQuotaSlices(
  { scratch, reader, clock }: Handing,
  { scope, verifier }: Asking,
  { turn, quotas }: QuotaQuestion,
): Promise<QuotaAnswer> {
  if (verifier === null) return { quotas: [] };
  const rows = await readCheckedRows(reader, ['keys'], [...new Set(quotas.map(({ key }) => key))]);
  const limits = new Map<string, Quota>();
  for (const one of rows) {
    if ('tampered' in one || one.table !== 'keys' || one.row.quota === null) continue;
    const { id, project_id, environment_id, quota } = one.row;
    if (!isAddressedTo({ projects: [project_id], environment: environment_id }, scope)) continue;
    limits.set(id, JSON.parse(quota) as Quota);
  }
  const once = new Map(quotas.map((one) => [`${one.key} ${one.periodStart}`, one]));
  const asked = [...once.values()].filter(({ key, periodStart }) =>
    isPeriod(limits.get(key), periodStart, clock.wall()),
  );
  if (asked.length === 0) return { quotas: [] };
  return await scratch.write(async (tables) => {
    const keys = asked.map(({ key }) => key);
    const [held, uses] = [await slicesOf(tables, asked), await quotaUsesOf(tables, keys)];
    const handed: HeldSlice[] = [];
    const answered: QuotaAnswer['quotas'] = [];
    /** Periods that this verifier has its first slice of: what is before them is over. */
    const begun: AskedQuota[] = [];
    for (const one of asked) {
      const ofPeriod = held.filter(({ key, periodStart }) => key === one.key && periodStart === one.periodStart);
      const mine = ofPeriod.find((slice) => slice.verifier === verifier);
      // Sent before one that counted already: what it says is not so any more.
      if (mine !== undefined && mine.turn >= turn) continue;
      if (mine === undefined) begun.push(one);
      const use = uses.get(one.key);
      const { granted, usedByAll } = handOut({
        limit: limits.get(one.key)?.limit ?? 0,
        mine: one,
        wanted: one.wanted,
        others: ofPeriod.filter((slice) => slice !== mine),
        reported: use?.periodStart === one.periodStart ? use.used : 0,
      });
      handed.push({ key: one.key, periodStart: one.periodStart, verifier, granted, used: one.used, turn });
      answered.push({ key: one.key, granted, usedByAll });
    }
    await storeSlices(tables, handed);
    for (const { key, periodStart } of begun) await forgetSlices(tables, key, periodStart - SKEW_MS);
    return { quotas: answered };
  });
}

/** The period that is now, by a clock that may differ; of another one nothing is handed out. */
function isPeriod(quota: Quota | undefined, start: number, nowMs: number): boolean {
  if (quota === undefined) return false;
  return [nowMs - SKEW_MS, nowMs, nowMs + SKEW_MS].some((at) => periodStart(quota.period, at) === start);
}
