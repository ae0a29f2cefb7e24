import { MAX_BROKEN, MAX_ITEMS, USAGE_ITEMS, UsageReport } from '@keyhold/protocol/verification-messages';
import { Compile } from 'typebox/compile';

const reports = Compile(UsageReport);
const items = {
  credentials: Compile(USAGE_ITEMS.credentials),
  quotas: Compile(USAGE_ITEMS.quotas),
  denials: Compile(USAGE_ITEMS.denials),
  refused: Compile(USAGE_ITEMS.refused),
  tokens: Compile(USAGE_ITEMS.tokens),
  broken: Compile(USAGE_ITEMS.broken),
};
const counts = Compile(UsageReport.properties.uncounted);

/** What of a report can be read, and how many items of it can't. What can't be read costs nothing that can. */
export function readReport(payload: unknown): { readonly report: UsageReport; readonly unreadable: number } {
  if (reports.Check(payload)) return { report: payload, unreadable: 0 };
  const empty: UsageReport = { credentials: [], quotas: [], denials: [], refused: [], tokens: [] };
  if (typeof payload !== 'object' || payload === null) return { report: empty, unreadable: 1 };
  const { uncounted, ...given } = payload as Readonly<Record<string, unknown>>;
  let unreadable = Object.keys(given).filter((name) => !(name in items)).length;
  const readList = <T>(name: keyof typeof items, most: number, isOne: (item: unknown) => item is T): T[] => {
    const list = given[name] ?? [];
    if (!Array.isArray(list)) {
      unreadable++;
      return [];
    }
    const readable = list.slice(0, most).filter(isOne);
    unreadable += list.length - readable.length;
    return readable;
  };
  const report: UsageReport = {
    credentials: readList('credentials', MAX_ITEMS, (one) => items.credentials.Check(one)),
    quotas: readList('quotas', MAX_ITEMS, (one) => items.quotas.Check(one)),
    denials: readList('denials', MAX_ITEMS, (one) => items.denials.Check(one)),
    refused: readList('refused', MAX_ITEMS, (one) => items.refused.Check(one)),
    tokens: readList('tokens', MAX_ITEMS, (one) => items.tokens.Check(one)),
    broken: readList('broken', MAX_BROKEN, (one) => items.broken.Check(one)),
  };
  if (counts.Check(uncounted)) report.uncounted = uncounted;
  else if (uncounted !== undefined) unreadable++;
  return { report, unreadable };
}
