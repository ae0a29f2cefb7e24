import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import { type Entry, listEntries as listEntriesOperation } from '@keyhold/protocol/operations/audit';
import type { FastifyInstance } from 'fastify';
import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import type { Cursors } from '../http/cursor.ts';
import { type Gate, mount } from '../http/mount.ts';
import { pageOf } from '../http/page.ts';
import type { ChainedEntry } from '../ledger/chain.ts';
import { listEntries } from '../ledger/entries.store.ts';

/** `permit` says whether the caller may read the log; that is decided on a higher floor. */
export function mountEntries<P extends { readonly id: string }>(
  app: FastifyInstance,
  gate: Gate<P>,
  permit: (principal: P) => Refusal | null,
  { reader, cursors }: { readonly reader: Kysely<Database>; readonly cursors: Cursors },
): void {
  mount(app, gate, listEntriesOperation, async ({ principal, query }) => {
    const denied = permit(principal);
    if (denied !== null) return denied;
    const { action, actor, subject, order = 'desc' } = query;
    const load = (after: string | undefined, limit: number) =>
      listEntries(reader, {
        action,
        actor,
        subject,
        order,
        beyond: after === undefined ? undefined : Number(after),
        limit,
      });
    const page = { list: listEntriesOperation.id, principal: principal.id, query };
    const found = await pageOf(
      cursors,
      page,
      load,
      ({ sequence }) => String(sequence),
      (rows) => rows.map(showEntry),
    );
    return isRefusal(found) ? found : { body: found };
  });
}

function showEntry({ at, side, ...entry }: ChainedEntry): Entry {
  return { ...entry, at: new Date(at).toISOString(), side: side === null ? null : JSON.parse(side.body) };
}
