import { isRefusal, refuse } from '@keyhold/protocol/errors';
import * as operations from '@keyhold/protocol/operations/approvals';
import type { FastifyInstance } from 'fastify';
import type { ApprovalRequestRow } from '../../database/people-rows.ts';
import type { Cursors } from '../../http/cursor.ts';
import { type Gate, mount } from '../../http/mount.ts';
import { pageOf } from '../../http/page.ts';
import type { Action } from '../authorise.ts';
import { refuseWithoutPasskey } from '../sign-in/refuse-without-passkey.ts';
import { describe, type PolicyPlaces } from '../policies/entities.ts';
import type { Principal } from '../principal.ts';
import { isWaiting, resourceOf } from './approval.ts';
import { approvalsOf, listRequests, namesOf } from './approvals.store.ts';
import { type ApprovalContext, askApproval } from './ask-approval.ts';
import { approveRequest, denyRequest } from './decide-request.ts';
import { type InUse, takeApproval } from './take-approval.ts';

export interface ApprovalRoutes {
  readonly gate: Gate<Principal>;
  readonly approving: ApprovalContext;
  readonly places: PolicyPlaces;
  readonly cursors: Cursors;
}

/** What a gate asks about approvals. */
export function approvalGate(context: ApprovalContext): NonNullable<Gate<Principal>['approvals']> {
  const inUse: InUse = new Map();
  return { take: takeApproval.bind(null, context, inUse), ask: askApproval.bind(null, context) };
}

/** What one asked oneself is shown for a week. */
const OWN_SHOWN_MS = 7 * 24 * 3_600_000;

const NO_PERSON = refuse('FORBIDDEN', 'This is for people who signed in; a token is none.');

/** Requests that others have to approve. */
export function mountApprovals(
  app: FastifyInstance,
  { gate, approving: context, places, cursors }: ApprovalRoutes,
): void {
  const { reader, clock } = context;
  const show = (principal: Principal, rows: readonly ApprovalRequestRow[]) =>
    showRequests(context, places, principal, rows);

  mount(app, gate, operations.listApprovals, async ({ principal, query }) => {
    if (principal.session === undefined) return NO_PERSON;
    const isShown = (row: ApprovalRequestRow) => {
      if (row.person_id === principal.id) return true;
      if (!isWaiting(row, clock.wall())) return false;
      return principal.judge.ifApproved(principal, row.action as Action, resourceOf(row)).allowed;
    };
    const page = { list: operations.listApprovals.id, principal: principal.id, query };
    const load = async (after: string | undefined, limit: number) => {
      const found: ApprovalRequestRow[] = [];
      for (let from = after; found.length < limit; ) {
        const sinceMs = clock.wall() - OWN_SHOWN_MS;
        const rows = await listRequests(reader, { person: principal.id, sinceMs, after: from, limit });
        found.push(...rows.filter(isShown));
        if (rows.length < limit) break;
        from = rows.at(-1)?.id;
        await new Promise(setImmediate);
      }
      return found.slice(0, limit);
    };
    const found = await pageOf(
      cursors,
      page,
      load,
      ({ id }) => id,
      (rows) => show(principal, rows),
    );
    return isRefusal(found) ? found : { body: found };
  });

  mount(app, gate, operations.approveRequest, async ({ principal, params, body, ip, idempotency, confirm }) => {
    if (principal.session === undefined) return NO_PERSON;
    // What an approver says he signs: a code of an app signs nothing.
    const unconfirmed = (await refuseWithoutPasskey(reader, principal)) ?? (await confirm());
    if (unconfirmed !== null) return unconfirmed;
    const approved = await approveRequest(context, { principal, ip, idempotency }, params.id, body);
    if (isRefusal(approved)) return approved;
    const [request] = await show(principal, [approved.value]);
    return request === undefined ? NO_PERSON : { body: { request }, sequence: approved.sequence };
  });

  mount(app, gate, operations.denyRequest, async ({ principal, params, body, ip, idempotency }) => {
    if (principal.session === undefined) return NO_PERSON;
    const denied = await denyRequest(context, { principal, ip, idempotency }, params.id, body.reason);
    if (isRefusal(denied)) return denied;
    const [request] = await show(principal, [denied.value]);
    return request === undefined ? NO_PERSON : { body: { request }, sequence: denied.sequence };
  });
}

async function showRequests(
  { reader, clock }: ApprovalContext,
  places: PolicyPlaces,
  principal: Principal,
  rows: readonly ApprovalRequestRow[],
) {
  const said = await approvalsOf(
    reader,
    rows.map(({ id }) => id),
  );
  const names = await namesOf(
    reader,
    [...rows, ...said].map(({ person_id }) => person_id),
  );
  const byOf = ({ person_id: by }: { readonly person_id: string }) => ({ by, byName: names.get(by) ?? by });
  return rows.map((row) => {
    const { id, method, target, body, digest, action, rule, needed, reason, state } = row;
    const uid = describe(places, resourceOf(row))?.uid;
    const given = said
      .filter(({ request_id }) => request_id === id)
      .map((one) => ({ ...byOf(one), verdict: one.verdict, reason: one.reason, at: timeOf(one.created_at) }));
    return {
      ...{ id, ...byOf(row), method, target, body, digest, action, rule, needed, reason, given },
      place: uid === undefined || uid.type === 'Installation' ? 'installation' : uid.id,
      state: state === 'waiting' && !isWaiting(row, clock.wall()) ? ('over' as const) : state,
      isOwn: row.person_id === principal.id,
      expiresAt: timeOf(row.expires_at),
      createdAt: timeOf(row.created_at),
    };
  });
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
