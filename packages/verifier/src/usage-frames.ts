import { MAX_VERIFIER_FRAME_BYTES } from '@keyhold/protocol/feed';
import type { USAGE_ITEMS, UsageReport } from '@keyhold/protocol/verification-messages';

/** Half of what a frame may have: what is around the items is far below the other half. */
const MAX_BYTES = MAX_VERIFIER_FRAME_BYTES / 2;

type List = keyof typeof USAGE_ITEMS;
type Lists = { readonly [L in List]-?: readonly NonNullable<UsageReport[L]>[number][] };

/** Cuts what was counted into reports, each of which fits into a frame; none where there is nothing. */
export function cutReports(lists: Lists): UsageReport[] {
  const reports: UsageReport[] = [];
  let left = 0;
  for (const name of ['credentials', 'quotas', 'denials', 'refused', 'tokens', 'broken'] as const) {
    for (const item of lists[name]) {
      // Ids, codes, numbers and addresses: each character is a byte.
      const bytes = JSON.stringify(item).length + 1;
      if (bytes > left) {
        reports.push({ credentials: [], quotas: [], denials: [], refused: [], tokens: [] });
        left = MAX_BYTES;
      }
      left -= bytes;
      const report = reports.at(-1) as UsageReport;
      (report[name] ??= []).push(item as never);
    }
  }
  return reports;
}
