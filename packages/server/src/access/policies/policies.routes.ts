import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import * as operations from '@keyhold/protocol/operations/policies';
import type { FastifyInstance } from 'fastify';
import type { PolicyRow } from '../../database/people-rows.ts';
import type { Cursors } from '../../http/cursor.ts';
import { type Gate, mount } from '../../http/mount.ts';
import { readCheckedRows } from '../../ledger/checked-rows.ts';
import { pageOf } from '../../http/page.ts';
import { Turns } from '../../vault/turns.ts';
import { hadOtherOwner } from '../approvals/approvals.store.ts';
import { allow, allowOnInstallation, noteShown, reachFor } from '../locate.ts';
import { INSTALLATION, type Principal, type Resource } from '../principal.ts';
import { isKnownToLedger, withdrawMissing } from '../withdraw-missing.ts';
import { findPolicyNamed, findPolicyRow, listPolicies } from './policies.store.ts';
import { noPolicy, type Policy, tryReadPolicy } from './policy.ts';
import { type PreviewContext, previewPolicy, readChange } from './preview-policy.ts';
import { NOT_FOR_GOOD, removePolicy } from './remove-policy.ts';
import {
  checkPolicy,
  isWidening,
  ownsForGood,
  placeOf,
  type PolicyChange,
  refuseUnknownNames,
  refuseWidening,
  savePolicy,
} from './save-policy.ts';
import { SCHEMA } from './vocabulary.ts';

export interface PolicyRoutes {
  readonly gate: Gate<Principal>;
  readonly policies: PreviewContext;
  readonly cursors: Cursors;
}

/** Cedar policies over roles and scopes. */
export function mountPolicies(app: FastifyInstance, { gate, policies: context, cursors }: PolicyRoutes): void {
  const { reader, places } = context;
  // Previews are prepared under one name.
  const turns = new Turns();

  mount(app, gate, operations.listPolicies, async ({ principal, query }) => {
    const reach = reachFor(principal, 'policies.read');
    if (isRefusal(reach)) return reach;
    const page = { list: operations.listPolicies.id, principal: principal.id, query };
    // There are at most a thousand.
    const load = async (after: string | undefined, limit: number) => {
      const rows = await listPolicies(reader, after, Number.MAX_SAFE_INTEGER);
      return rows.filter((row) => reach.reaches(placeOf(places, tryReadPolicy(row)))).slice(0, limit);
    };
    const found = await pageOf(
      cursors,
      page,
      load,
      ({ id }) => id,
      (rows) => {
        const shown = rows.map((row) => placeOf(places, tryReadPolicy(row)));
        noteShown(principal, 'policies.read', shown);
        return rows.map(showPolicy);
      },
    );
    return isRefusal(found) ? found : { body: found };
  });

  mount(app, gate, operations.getPolicySchema, async ({ principal }) => {
    const reach = reachFor(principal, 'policies.read');
    return isRefusal(reach) ? reach : { body: { schema: SCHEMA } };
  });

  mount(app, gate, operations.previewPolicy, async ({ principal, body }) => {
    const change = await openChange(context, principal, () => readChange(context, body));
    if (isRefusal(change)) return change;
    const mayReadNames = allowOnInstallation(principal, 'people.read') === null;
    return { body: await turns.take(() => previewPolicy(context, change, mayReadNames)) };
  });

  mount(app, gate, operations.savePolicy, async ({ principal, params, body, ip, idempotency, confirm }) => {
    const change = await openChange(context, principal, async () => {
      const after = checkPolicy(body.text);
      const row = await findPolicyNamed(reader, params.name);
      return isRefusal(after) ? after : { before: row === undefined ? undefined : tryReadPolicy(row), after };
    });
    if (isRefusal(change)) return change;
    const refused = (await refuseWideningOf(context, principal, change)) ?? (await confirm());
    if (refused !== null) return refused;
    const saved = await savePolicy(context, { principal, ip, idempotency }, { name: params.name, ...body });
    return isRefusal(saved) ? saved : { body: { policy: showPolicy(saved.value) }, sequence: saved.sequence };
  });

  mount(app, gate, operations.removePolicy, async ({ principal, params, body, ip, idempotency, confirm }) => {
    const caller = { principal, ip, idempotency };
    const absent = noPolicy(params.id);
    const row = await findPolicyRow(reader, params.id);
    // What is not as it was recorded may have been of any place, and may have wanted approvals.
    const before = await findWhole(context, params.id);
    if (before === undefined) {
      const denied = allowOnInstallation(principal, 'policies.change');
      if (denied !== null || !(await isKnownToLedger(reader, params.id))) return denied ?? absent;
      if (!ownsForGood(principal, INSTALLATION)) return NOT_FOR_GOOD;
      const refused = (await wantAnotherOwner(context, principal, params.id, INSTALLATION)) ?? (await confirm());
      if (refused !== null) return refused;
      if (row === undefined) return await withdrawMissing(context, caller, 'policies', params.id, absent);
    } else {
      const change = await openChange(context, principal, async () => ({ before, after: undefined }));
      if (isRefusal(change)) return change.refused === 'FORBIDDEN' ? change : absent;
      const refused = (await refuseWideningOf(context, principal, change)) ?? (await confirm());
      if (refused !== null) return refused;
    }
    const removed = await removePolicy(context, caller, params.id, body.basis);
    return isRefusal(removed) ? removed : { body: { id: params.id }, sequence: removed.sequence };
  });
}

/** Reads a change that the caller may make where the policy is of, before and after. */
async function openChange(
  context: PreviewContext,
  principal: Principal,
  read: () => Promise<PolicyChange | Refusal>,
): Promise<PolicyChange | Refusal> {
  const reach = reachFor(principal, 'policies.change');
  if (isRefusal(reach)) return reach;
  const change = await read();
  if (isRefusal(change)) return change;
  for (const policy of [change.before, change.after]) {
    if (policy === undefined) continue;
    const resource = placeOf(context.places, policy);
    const denied = allow(principal, 'policies.change', { resource, absent: NOT_YOURS });
    if (denied !== null) return policy.project === null ? NOT_OF_ALL : denied;
  }
  return (change.after === undefined ? null : await refuseUnknownNames(context, change.after)) ?? change;
}

const NOT_YOURS = refuse('POLICY_NOT_FOUND', 'There is no such policy that you may change.');

const NOT_OF_ALL: Refusal = {
  refused: 'FORBIDDEN',
  detail: 'It is of the installation as a whole: name a place within your project as its resource.',
};

async function refuseWideningOf(
  context: PreviewContext,
  principal: Principal,
  change: PolicyChange,
): Promise<Refusal | null> {
  const { places } = context;
  if (!isWidening(change)) return null;
  for (const policy of [change.before, change.after]) {
    const refused = policy === undefined ? null : refuseWidening(principal, placeOf(places, policy), change);
    if (refused !== null) return refused;
  }
  return await refuseUnapproved(context, principal, change);
}

/** Whoever could take the wish for approvals away by himself would need none. */
async function refuseUnapproved(
  context: PreviewContext,
  principal: Principal,
  { before }: PolicyChange,
): Promise<Refusal | null> {
  if (before?.minds.approvals !== true) return null;
  return await wantAnotherOwner(context, principal, before.id, placeOf(context.places, before));
}

/** @param rule id of the policy that goes or changes */
async function wantAnotherOwner(
  { reader, clock }: PreviewContext,
  principal: Principal,
  rule: string,
  resource: Resource,
): Promise<Refusal | null> {
  const isApproved = principal.judge.approvalsOf('policies.change', resource) > 0;
  if (isApproved || !(await hadOtherOwner(reader, principal.id, clock.wall()))) return null;
  const decision = { allowed: false, rule, byName: false, approvals: 1 };
  principal.judge.note({ principal, action: 'policies.change', resource, decision });
  return refuse('APPROVALS_REQUIRED', 'This policy wants approvals: another owner has to approve what becomes of it.');
}

/** The policy, where it is what the ledger recorded. */
async function findWhole({ reader, tampered }: PreviewContext, id: string): Promise<Policy | undefined> {
  const [checked] = await readCheckedRows(reader, ['policies'], [id]);
  if (checked !== undefined && 'tampered' in checked) tampered(id);
  return checked === undefined || 'tampered' in checked ? undefined : tryReadPolicy(checked.row as PolicyRow);
}

function showPolicy(row: PolicyRow) {
  const { id, name, text, reason, saved_by: savedBy } = row;
  // One that was tampered with may read as nothing: it shuts what policies govern.
  const { effect, project } = tryReadPolicy(row) ?? { effect: 'forbid' as const, project: null };
  const [createdAt, savedAt] = [row.created_at, row.saved_at].map((ms) => new Date(ms).toISOString()) as [
    string,
    string,
  ];
  return { id, name, effect, project, text, reason, savedBy, createdAt, savedAt };
}
