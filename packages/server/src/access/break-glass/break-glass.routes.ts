import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import * as operations from '@keyhold/protocol/operations/break-glass';
import type { FastifyInstance } from 'fastify';
import type { BreakGlassRow } from '../../database/people-rows.ts';
import type { Cursors } from '../../http/cursor.ts';
import { type Gate, mount } from '../../http/mount.ts';
import { pageOf } from '../../http/page.ts';
import type { Recorded } from '../../ledger/entry.ts';
import { namesOf } from '../approvals/approvals.store.ts';
import { allowOnInstallation } from '../locate.ts';
import type { Principal } from '../principal.ts';
import { refuseWithoutPasskey } from '../sign-in/refuse-without-passkey.ts';
import { listBreakGlass } from './break-glass.store.ts';
import {
  type BreakGlassContext,
  closeBreakGlass,
  noBreakGlass,
  openBreakGlass,
  reviewBreakGlass,
} from './open-break-glass.ts';

export interface BreakGlassRoutes {
  readonly gate: Gate<Principal>;
  readonly breaking: BreakGlassContext;
  readonly cursors: Cursors;
}

/** Going on without approvals, for minutes, and looking at it afterwards. */
export function mountBreakGlass(app: FastifyInstance, { gate, breaking: context, cursors }: BreakGlassRoutes): void {
  const answer = async (changed: Recorded<BreakGlassRow> | Refusal) => {
    if (isRefusal(changed)) return changed;
    const [breakGlass] = await show(context, [changed.value]);
    return breakGlass === undefined ? noBreakGlass('') : { body: { breakGlass }, sequence: changed.sequence };
  };

  mount(app, gate, operations.openBreakGlass, async ({ principal, body, ip, idempotency, confirm }) => {
    // It stands in for what others would sign.
    const denied =
      allowOnInstallation(principal, 'break-glass.open') ??
      (await refuseWithoutPasskey(context.reader, principal)) ??
      (await confirm());
    return denied ?? (await answer(await openBreakGlass(context, { principal, ip, idempotency }, body)));
  });

  mount(app, gate, operations.listBreakGlass, async ({ principal, query }) => {
    const denied = allowOnInstallation(principal, 'break-glass.read');
    if (denied !== null) return denied;
    const page = { list: operations.listBreakGlass.id, principal: principal.id, query };
    const load = (after: string | undefined, limit: number) => listBreakGlass(context.reader, after, limit);
    const found = await pageOf(
      cursors,
      page,
      load,
      ({ id }) => id,
      (rows) => show(context, rows),
    );
    return isRefusal(found) ? found : { body: found };
  });

  mount(app, gate, operations.closeBreakGlass, async ({ principal, params, ip, idempotency }) => {
    const denied = allowOnInstallation(principal, 'break-glass.close');
    return denied ?? (await answer(await closeBreakGlass(context, { principal, ip, idempotency }, params.id)));
  });

  mount(app, gate, operations.reviewBreakGlass, async ({ principal, params, body, ip, idempotency }) => {
    const denied = allowOnInstallation(principal, 'break-glass.review');
    if (denied !== null) return denied;
    return await answer(await reviewBreakGlass(context, { principal, ip, idempotency }, params.id, body.review));
  });
}

async function show({ reader, clock }: BreakGlassContext, rows: readonly BreakGlassRow[]) {
  const names = await namesOf(
    reader,
    rows.map(({ person_id }) => person_id),
  );
  return rows.map((row) => {
    const isOver = row.state === 'open' && row.expires_at <= clock.wall();
    return {
      ...{ id: row.id, by: row.person_id, byName: names.get(row.person_id) ?? row.person_id, reason: row.reason },
      state: isOver ? ('closed' as const) : row.state,
      expiresAt: new Date(row.expires_at).toISOString(),
      createdAt: new Date(row.created_at).toISOString(),
      ...{ reviewedBy: row.reviewed_by, review: row.review },
    };
  });
}
