import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import { type Entry, listEntries as listEntriesOperation } from '@keyhold/protocol/operations/audit';
import type { Leaf } from '@keyhold/protocol/leaf';
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
    const { action, actor, subject, code, from, to, order = 'desc' } = query;
    const sinceMs = query.since === undefined ? undefined : Date.parse(query.since);
    const untilMs = query.until === undefined ? undefined : Date.parse(query.until);
    if (Number.isNaN(sinceMs)) return refuse('INVALID_INPUT', 'There is no such time.', 'since');
    if (Number.isNaN(untilMs)) return refuse('INVALID_INPUT', 'There is no such time.', 'until');
    const load = (after: string | undefined, limit: number) =>
      listEntries(reader, {
        action,
        actor,
        subject,
        code,
        sinceMs,
        untilMs,
        from,
        to,
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

function showEntry({ at, side, leaf, ...entry }: ChainedEntry): Entry {
  const shown = side === null ? null : { side: JSON.parse(side.body) as unknown, sideSalt: side.salt };
  const sideState = shown !== null ? 'shown' : (JSON.parse(leaf) as Leaf).side === null ? 'none' : 'erased';
  return { ...entry, leaf, at: new Date(at).toISOString(), ...(shown ?? { side: null, sideSalt: null }), sideState };
}
