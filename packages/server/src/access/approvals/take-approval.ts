import { APPROVAL_HEADER, type SentRequest } from '@keyhold/protocol/confirmation';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { ApprovalRequestRow, ApprovalRow, PersonRow, RoleGrantRow } from '../../database/people-rows.ts';
import type { FactTable } from '../../database/schema.ts';
import { readCheckedRows } from '../../ledger/checked-rows.ts';
import type { Idempotency } from '../../ledger/entry.ts';
import type { Facts } from '../../ledger/facts.ts';
import { findRepeated } from '../../ledger/idempotency.store.ts';
import type { Action } from '../authorise.ts';
import { rolesOf } from '../people/people.store.ts';
import { grantOf, isInForce } from '../people/person.ts';
import type { Principal } from '../principal.ts';
import { isApproving, isSame, isWaiting, resourceOf } from './approval.ts';
import { approvalsOf, findRequest, isHisWord } from './approvals.store.ts';
import type { ApprovalContext } from './ask-approval.ts';

const NOT_THIS = refuse('APPROVALS_REQUIRED', 'What was approved is another request, was used, denied, or is over.');

/** An approval that a request runs with. */
export interface Taken {
  /** It was used where the request was done, and waits on where it was refused. */
  readonly done: (isDone: boolean) => Promise<void>;
}

/** Approvals that requests run with at this moment; each promise ends with its request. */
export type InUse = Map<string, Promise<void>>;

/**
 * Counts who approved just this request: so many approvals its decisions are made with. They are used in the change that
 * they allow, in its entry, once, also when it is sent fifty times at a moment.
 * @param claim with which it may repeat what was done with them
 */
export async function takeApproval(
  context: ApprovalContext,
  inUse: InUse,
  principal: Principal,
  sent: SentRequest,
  claim?: Idempotency,
): Promise<Taken | Refusal> {
  const named = sent.headers.filter(([name]) => name.toLowerCase() === APPROVAL_HEADER);
  const id = named.length === 1 ? (named[0]?.[1] ?? '') : '';
  const asked = { method: sent.method, target: sent.target, body: Buffer.from(sent.body).toString('utf8') };
  const isThis = (row: ApprovalRequestRow) => row.person_id === principal.id && isSame(row, asked);
  const row = await findRequest(context.reader, id);
  if (row === undefined || !isThis(row)) return NOT_THIS;
  const running = inUse.get(id);
  if (running === undefined && isWaiting(row, context.clock.wall()))
    return await run(context, inUse, principal, row, isThis);
  if (claim === undefined) return NOT_THIS;
  // Whoever repeats what still runs hears what became of it. Where that was refused he does not run it himself: he may
  // have lost meanwhile what let him.
  if (row.state !== 'used') await running;
  return await takeRepeated(context, principal, id, claim, isThis);
}

async function run(
  context: ApprovalContext,
  inUse: InUse,
  principal: Principal,
  row: ApprovalRequestRow,
  isThis: (row: ApprovalRequestRow) => boolean,
): Promise<Taken> {
  const { id } = row;
  const { promise, resolve } = Promise.withResolvers<void>();
  inUse.set(id, promise);
  const end = () => {
    inUse.delete(id);
    resolve();
  };
  let used = false;
  try {
    const count = await countGood(context, principal, row);
    const use = async (facts: Facts): Promise<Refusal | null> => {
      if (used) return null;
      const held = await facts.find('approval_requests', id);
      if (held === undefined || !isThis(held) || !isWaiting(held, context.clock.wall())) return NOT_THIS;
      await facts.update('approval_requests', held, { state: 'used', body: '' });
      used = true;
      return null;
    };
    principal.judge.approvedBy({ count, action: row.action as Action, resource: resourceOf(row), use });
    return {
      done: async (isDone) => {
        try {
          if (isDone && !used) await useAlone(context, principal.id, id, use);
        } finally {
          end();
        }
      },
    };
  } catch (error) {
    end();
    throw error;
  }
}

/**
 * Lets what was done with an approval be answered again, by what was kept of it, to who had it done. All who approved it
 * count, whoever of them has left since: it is done.
 * INVARIANT: nothing is done by it again. What was kept is answered before anything is asked within a change; whatever
 * else would change something finds no approval left, and is undone.
 */
async function takeRepeated(
  context: ApprovalContext,
  { judge }: Principal,
  id: string,
  claim: Idempotency,
  isThis: (row: ApprovalRequestRow) => boolean,
): Promise<Taken | Refusal> {
  const [known] = (await checked(context, ['approval_requests'], [id])) as ApprovalRequestRow[];
  if (known?.state !== 'used' || !isThis(known)) return NOT_THIS;
  const kept = await findRepeated(context.reader, claim);
  if (kept === undefined) return NOT_THIS;
  if (isRefusal(kept)) return kept;
  const count = new Set((await findApproving(context, known)).map(({ person_id }) => person_id)).size;
  const use = async () => NOT_THIS;
  judge.approvedBy({ count, action: known.action as Action, resource: resourceOf(known), use });
  return { done: async () => {} };
}

/** What was done had no entry that could say so. */
async function useAlone(
  { ledger }: ApprovalContext,
  actor: string,
  subject: string,
  use: (facts: Facts) => Promise<Refusal | null>,
): Promise<void> {
  await ledger.record({ actor, action: 'approval.used', subject, locks: [subject] }, async (facts) => await use(facts));
}

/**
 * People who approved it and still could: whose word, who themselves and whose roles are as the ledger recorded them.
 * INVARIANT: asked by the one request that runs with it, so nothing is counted twice.
 */
async function countGood(context: ApprovalContext, principal: Principal, request: ApprovalRequestRow): Promise<number> {
  const people = new Set<string>();
  for (const row of await findApproving(context, request)) {
    const [person] = (await checked(context, ['people'], [row.person_id])) as PersonRow[];
    if (person?.state === 'active' && (await isHisWord(context.reader, row, person))) people.add(person.id);
  }
  let count = 0;
  for (const id of people) if (await couldStill(context, principal, id, request)) count++;
  return count;
}

/** What the ledger knows to have been said for it. */
async function findApproving(context: ApprovalContext, request: ApprovalRequestRow): Promise<ApprovalRow[]> {
  const ids = (await approvalsOf(context.reader, [request.id])).map(({ id }) => id);
  const good = (await checked(context, ['approvals'], ids)) as ApprovalRow[];
  return good.filter((row) => row.request_id === request.id && isApproving(row, request));
}

/** Whether it is open to him still; where he would ask from now nobody knows, so it is as from where this is asked. */
async function couldStill(
  context: ApprovalContext,
  { judge }: Principal,
  id: string,
  request: ApprovalRequestRow,
): Promise<boolean> {
  const held = await rolesOf(context.reader, [id]);
  const rows = (await checked(
    context,
    ['role_grants'],
    held.map((row) => row.id),
  )) as RoleGrantRow[];
  const own = rows.filter((row) => row.person_id === id && isInForce(row, context.clock.wall()));
  const grants = own.map((row) => grantOf(row, context.roleNamed));
  const asking: Principal = { id, kind: 'person', grants, judge };
  return judge.ifApproved(asking, request.action as Action, resourceOf(request)).allowed;
}

async function checked({ reader, tampered }: ApprovalContext, tables: readonly FactTable[], ids: readonly string[]) {
  const rows = await readCheckedRows(reader, tables, ids);
  return rows.flatMap((one) => {
    if (!('tampered' in one)) return [one.row];
    tampered(one.tampered);
    return [];
  });
}
