import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Query } from '@keyhold/protocol/operation';
import * as operations from '@keyhold/protocol/operations/audit';
import type { FastifyInstance } from 'fastify';
import type { Scratch } from '../database/scratch.ts';
import type { Cursors } from '../http/cursor.ts';
import type { Attributed } from '../ledger/entry.ts';
import { type Gate, mount } from '../http/mount.ts';
import { pageOf } from '../http/page.ts';
import type { EntryFilter } from '../ledger/entries.store.ts';
import { searchEntries } from '../ledger/entry-search.store.ts';
import type { Vault } from '../vault/vault.ts';
import { eraseSubject } from './erase-subject.ts';
import { findPersonal } from './find-personal.ts';
import type { PersonalParts } from './personal-parts.ts';
import { showEntry } from './show-entry.ts';

interface EntriesRoutes {
  readonly vault: Vault;
  readonly scratch: Scratch;
  readonly personal: PersonalParts;
  readonly cursors: Cursors;
  /** Forgets what is kept of a subject elsewhere. */
  readonly forget: (subject: string) => Promise<void>;
  readonly enterCounted: () => Promise<boolean>;
}

/** What the caller may do with the log; decided on a higher floor. */
export interface AuditPermits<P> {
  readonly read: (principal: P) => Refusal | null;
  readonly erase: (principal: P) => Refusal | null;
  /** How an entry names him. */
  readonly attribute: (principal: P, ip: string) => Attributed;
}

export function mountEntries<P extends { readonly id: string }>(
  app: FastifyInstance,
  gate: Gate<P>,
  permits: AuditPermits<P>,
  routes: EntriesRoutes,
): void {
  const { vault, cursors, personal } = routes;

  mount(app, gate, operations.listEntries, async ({ principal, query }) => {
    const denied = permits.read(principal);
    if (denied !== null) return denied;
    const filter = filterOf(query);
    if (isRefusal(filter)) return filter;
    const { personal: value, about } = query;
    const load = async (after: string | undefined, limit: number) => {
      const whole = { ...filter, beyond: after === undefined ? undefined : Number(after), limit };
      return value === undefined
        ? await searchEntries(vault.reader, whole)
        : await findPersonal(routes, { value, about }, whole);
    };
    const page = { list: operations.listEntries.id, principal: principal.id, query };
    const found = await pageOf(
      cursors,
      page,
      load,
      ({ sequence }) => String(sequence),
      (rows) => Promise.all(rows.map((row) => showEntry(personal, row))),
    );
    return isRefusal(found) ? found : { body: found };
  });

  mount(app, gate, operations.eraseSubject, async ({ principal, params: { subject }, ip, confirm }) => {
    const denied = permits.erase(principal) ?? (await confirm());
    if (denied !== null) return denied;
    const erased = await eraseSubject(routes, permits.attribute(principal, ip), subject);
    return isRefusal(erased) ? erased : { body: { subject, ...erased }, sequence: erased.sequence };
  });
}

function filterOf(query: Query<typeof operations.listEntries>): Omit<EntryFilter, 'limit' | 'beyond'> | Refusal {
  const { action, actor, subject, code, from, to, personal: value, about, order = 'desc' } = query;
  const [sinceMs, untilMs] = [timeOf(query.since), timeOf(query.until)];
  if (Number.isNaN(sinceMs)) return refuse('INVALID_INPUT', 'There is no such time.', 'since');
  if (Number.isNaN(untilMs)) return refuse('INVALID_INPUT', 'There is no such time.', 'until');
  if (about !== undefined && value === undefined)
    return refuse('INVALID_INPUT', 'It goes with what to look for.', 'personal');
  return { action, actor, subject, code, from, to, sinceMs, untilMs, order };
}

/** NaN where there is no such time. */
function timeOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Date.parse(text);
}
