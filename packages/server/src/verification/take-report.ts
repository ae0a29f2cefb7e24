import type { QuotaPeriod } from '@keyhold/protocol/state';
import type { UsageReport } from '@keyhold/protocol/verification-messages';
import { readableAddress } from '@keyhold/verifier/networks';
import { periodStart } from '@keyhold/verifier/quotas';
import type { Kysely } from 'kysely';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/schema.ts';
import type { Scratch } from '../database/scratch.ts';
import type { ScratchTables } from '../database/scratch-tables.ts';
import type { Asking } from '../feed/feed-source.ts';
import { type FeedScope, isAddressedTo } from '../feed/scope.ts';
import { addDenials, addUses, keepQuotas, placesOf, quotasOf } from '../keys/usage.store.ts';
import type { Places } from './places.ts';
import { readReport } from './read-report.ts';
import { type HeldSlice, quotaUsesOf, slicesOf, storeSlices } from './quota-slices.store.ts';
import type { UnreadableItems } from './unreadable-items.ts';
import type { CountedUse, UsageLog } from './usage-log.ts';

const MINUTE_MS = 60_000;

interface Taking {
  readonly scratch: Scratch;
  readonly reader: Kysely<Database>;
  readonly clock: Clock;
  readonly places: Places;
  readonly tokensUsed: (ids: readonly string[]) => void;
  /** Told of secrets that a verifier could not open where they lie. */
  readonly broken: (id: string) => void;
  /** Told how much of a report could not be read. */
  readonly unreadable: UnreadableItems;
  /** Told what is to be entered. */
  readonly counted: UsageLog['add'];
}

/**
 * Writes down what a verifier counted, of what it is fed and nothing else. Denials of strangers are added up by the
 * minute.
 */
export async function takeReport(taking: Taking, { scope, verifier }: Asking, payload: unknown): Promise<void> {
  const { scratch, reader, clock, places } = taking;
  const { report, unreadable } = readReport(payload);
  taking.unreadable.note(verifier, unreadable);
  taking.tokensUsed(report.tokens);
  for (const id of await secretsOf(reader, scope, report.broken ?? [])) taking.broken(id);
  const now = clock.wall();
  const credentials = addedUp(report.credentials);
  const quotas = lastOfEach(report.quotas, ({ key }) => key);
  const credentialIds = [...credentials, ...report.refused].map(({ id }) => id);
  const fed = await placesOf(reader, credentialIds);
  const keys = quotas.map(({ key }) => key);
  const quotaKeys = await quotasOf(reader, keys);
  const isFed = (id: string) => {
    const place = fed.get(id) ?? quotaKeys.get(id);
    return place !== undefined && isAddressedTo({ projects: [place.project], environment: place.environment }, scope);
  };
  // An id becomes the subject of an entry: what is none of ours, or was tampered with, is written nowhere.
  const isItsOwn = (environment: string) => {
    const project = places.environmentOf(environment)?.project;
    return environment === '' || (project !== undefined && isAddressedTo({ projects: [project], environment }, scope));
  };
  const uses = credentials
    .filter(({ id }) => isFed(id))
    .map((use) => ({ ...use, lastAt: Math.min(use.lastAt, now), lastIp: readableAddress(use.lastIp) }));
  const kept = quotas.filter(({ key, periodStart }) => isFed(key) && periodStart <= now);
  const denials = lastOfEach(report.denials, ({ environment, code }) => `${environment} ${code}`).filter(
    ({ environment }) => isItsOwn(environment),
  );
  const refused = report.refused.filter(({ id }) => isFed(id));
  taking.counted(
    [...uses.flatMap(countedUses), ...refused.map(({ id, ...use }) => ({ credential: id, ...use }))],
    denials,
    report.uncounted,
  );
  if (uses.length + kept.length + denials.length === 0) return;
  await scratch.write(async (tables) => {
    await addUses(tables, uses);
    const together = await usedTogether(tables, verifier, kept);
    await keepQuotas(tables, ofNewest(together, quotaKeys, await quotaUsesOf(tables, keys)));
    await addDenials(tables, now - (now % MINUTE_MS), denials);
  });
}

/** Those of them that are there and fed to whoever reports: an id is no more than his word. */
async function secretsOf(reader: Kysely<Database>, scope: FeedScope, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return [];
  const found: string[] = [];
  for (const table of ['credentials', 'consumer_factors'] as const) {
    const rows = await reader
      .selectFrom(table)
      .select(['id', 'project_id', 'environment_id'])
      .where('id', 'in', ids)
      .execute();
    for (const { id, project_id, environment_id } of rows) {
      if (isAddressedTo({ projects: [project_id], environment: environment_id }, scope)) found.push(id);
    }
  }
  return found;
}

type QuotaUse = UsageReport['quotas'][number];

/** What was handed out in slices each verifier counts for itself: all of them together have used it. */
async function usedTogether(
  tables: Kysely<ScratchTables>,
  verifier: string | null,
  quotas: readonly QuotaUse[],
): Promise<QuotaUse[]> {
  const own = new Map(quotas.flatMap((use) => (use.own === undefined ? [] : [[use.key, { ...use, own: use.own }]])));
  if (verifier === null || own.size === 0) return [...quotas];
  const together = new Map<string, number>();
  const grown: HeldSlice[] = [];
  for (const slice of await slicesOf(tables, [...own.values()])) {
    const reported = slice.verifier === verifier ? (own.get(slice.key)?.own ?? 0) : 0;
    if (reported > slice.used) grown.push({ ...slice, used: reported });
    together.set(slice.key, (together.get(slice.key) ?? 0) + Math.max(slice.used, reported));
  }
  await storeSlices(tables, grown);
  return quotas.map((use) => ({ ...use, used: Math.max(use.used, together.get(use.key) ?? 0) }));
}

/**
 * Without what is of a period that is over, as who was away tells it late, or of one that the quota has no more. A kept
 * count is of no period either once the quota has another.
 */
function ofNewest(
  uses: readonly QuotaUse[],
  quotas: ReadonlyMap<string, { readonly period: QuotaPeriod | null }>,
  kept: ReadonlyMap<string, { readonly periodStart: number }>,
): QuotaUse[] {
  return uses.filter(({ key, periodStart: start }) => {
    const period = quotas.get(key)?.period ?? null;
    const isOne = (at: number) => period !== null && periodStart(period, at) === at;
    const known = kept.get(key)?.periodStart;
    return isOne(start) && (known === undefined || known <= start || !isOne(known));
  });
}

type Use = UsageReport['credentials'][number];

/** One statement takes each row once; a verifier names one twice whose replica was replaced between two reports. */
export function addedUp(uses: readonly Use[]): Use[] {
  const byId = new Map<string, Use>();
  for (const use of uses) {
    const before = byId.get(use.id);
    const later = before !== undefined && before.lastAt > use.lastAt ? before : use;
    const networks = [...(before?.networks ?? []), ...use.networks];
    byId.set(use.id, { ...later, count: use.count + (before?.count ?? 0), networks });
  }
  return [...byId.values()];
}

function countedUses({ id, networks }: Use): CountedUse[] {
  return networks.map(({ network, count }) => ({ credential: id, network, code: 'VALID', count }));
}

/** One statement takes each row once. */
function lastOfEach<T>(items: readonly T[], nameOf: (item: T) => string): T[] {
  return [...new Map(items.map((item) => [nameOf(item), item])).values()];
}
