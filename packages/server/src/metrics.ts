import type { Registry } from 'prom-client';
import type { Writer } from './database/writer.ts';
import type { LeaseBook } from './feed/lease-book.ts';
import { registerMetric } from './http/metrics.ts';
import type { Alarms } from './ledger/alarms.ts';
import type { Ledger } from './ledger/ledger.ts';
import type { UnreadableItems } from './verification/unreadable-items.ts';

interface Measured {
  readonly ledger: Ledger;
  readonly writer: Writer;
  readonly book: LeaseBook;
  readonly alarms: Alarms;
  readonly unreadable: UnreadableItems;
}

/** What the control plane tells of itself. */
export function registerControlMetrics(
  registry: Registry,
  { ledger, writer, book, alarms, unreadable }: Measured,
): void {
  const one = (name: string, help: string, read: () => number) =>
    registerMetric(registry, { name, help, read: () => [{ value: read() }] });
  one('keyhold_ledger_sequence', 'Newest committed entry', () => ledger.head.sequence);
  one('keyhold_ledger_waiting', 'Changes waiting for their commit', () => ledger.waiting);
  one('keyhold_writer_waiting', 'Pieces of work waiting for the writer', () => writer.waiting);
  one('keyhold_alarms', 'Alarms raised since the start', () => alarms.list().length);
  one('keyhold_report_items_unreadable', "Items of verifiers' reports that could not be read", () => unreadable.count);
  one('keyhold_verifiers_connected', 'Verifiers that follow the feed', () => {
    return [...book.holders()].filter(({ connections }) => connections > 0).length;
  });
}
