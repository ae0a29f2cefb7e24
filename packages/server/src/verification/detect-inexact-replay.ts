import type { Kysely } from 'kysely';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/schema.ts';
import type { LeaseBook } from '../feed/lease-book.ts';
import { type Alarms, MAX_KEPT } from '../ledger/alarms.ts';
import { environmentsGuardedAlone } from '../projects/projects.store.ts';

interface Watched {
  readonly reader: Kysely<Database>;
  readonly clock: Clock;
  readonly book: LeaseBook;
  readonly alarms: Alarms;
}

/**
 * Where each verifier remembers alone, every one of several accepts once what was signed once: an alarm, for as long as
 * it is so.
 */
export async function detectInexactReplay({ reader, clock, book, alarms }: Watched): Promise<void> {
  const deciding = countDeciding(book, clock.monotonic());
  const several = [...deciding.values()].some((verifiers) => verifiers > 1);
  const alone = several ? await environmentsGuardedAlone(reader) : [];
  // No more than are kept: the same ones would push each other out, and be entered anew each time.
  const inexact = new Set(alone.filter((id) => (deciding.get(id) ?? 0) > 1).slice(0, MAX_KEPT));
  for (const { code, subject } of alarms.list()) {
    if (code === 'REPLAY_NOT_EXACT' && !inexact.has(subject)) alarms.settle(code, subject);
  }
  for (const id of inexact) {
    const detail = `${deciding.get(id)} verifiers follow, and its settings say that each remembers alone`;
    alarms.raise('REPLAY_NOT_EXACT', id, detail);
  }
}

/** By environment, those that are connected: one that was killed has a lease left in the book beside its successor's. */
function countDeciding(book: LeaseBook, now: number): Map<string, number> {
  const deciding = new Map<string, number>();
  for (const { connections, leases } of book.holders()) {
    if (connections === 0) continue;
    for (const [environment, { endsAt }] of leases) {
      if (endsAt > now) deciding.set(environment, (deciding.get(environment) ?? 0) + 1);
    }
  }
  return deciding;
}
