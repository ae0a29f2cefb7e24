import { APPROVAL_HEADER, type SentRequest } from '@keyhold/protocol/confirmation';
import { type Refusal, refuse } from '@keyhold/protocol/errors';
import type { ApprovalRequestRow } from '../../database/people-rows.ts';
import type { Facts } from '../../ledger/facts.ts';
import type { Principal } from '../principal.ts';
import { isApproving, isSame, isWaiting } from './approval.ts';
import { approvalsOf, findRequest } from './approvals.store.ts';
import type { ApprovalContext } from './ask-approval.ts';

const NOT_THIS = refuse('APPROVALS_REQUIRED', 'What was approved is another request, was used, denied, or is over.');

/** An approval that a request runs with. */
export interface Taken {
  /** It was used where the request was done, and waits on where it was refused. */
  readonly done: (isDone: boolean) => Promise<void>;
}

/** Approvals that requests run with at this moment. */
export type InUse = Set<string>;

/**
 * Counts who approved just this request: so many approvals its decisions are made with. They are used in the change that
 * they allow, in its entry, once, also when it is sent fifty times at a moment.
 */
export async function takeApproval(
  context: ApprovalContext,
  inUse: InUse,
  principal: Principal,
  sent: SentRequest,
): Promise<Taken | Refusal> {
  const named = sent.headers.filter(([name]) => name.toLowerCase() === APPROVAL_HEADER);
  const id = named.length === 1 ? (named[0]?.[1] ?? '') : '';
  const asked = { method: sent.method, target: sent.target, body: Buffer.from(sent.body).toString('utf8') };
  const isThis = (row: ApprovalRequestRow) =>
    row.person_id === principal.id && isWaiting(row, context.clock.wall()) && isSame(row, asked);
  const row = await findRequest(context.reader, id);
  if (row === undefined || !isThis(row) || inUse.has(id)) return NOT_THIS;
  inUse.add(id);
  let used = false;
  try {
    const ids = (await approvalsOf(context.reader, [id])).map((approval) => approval.id);
    const count = await countRead(context, row);
    const use = async (facts: Facts): Promise<Refusal | null> => {
      if (used) return null;
      const held = await facts.find('approval_requests', id);
      if (held === undefined || !isThis(held) || (await countApproving(facts, held, ids)) < count) return NOT_THIS;
      await facts.update('approval_requests', held, { state: 'used', body: '' });
      used = true;
      return null;
    };
    principal.judge.approvedBy(count, use);
    return {
      done: async (isDone) => {
        inUse.delete(id);
        if (isDone && !used) await useAlone(context, principal.id, id, use);
      },
    };
  } catch (error) {
    inUse.delete(id);
    throw error;
  }
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

/** As the rows say; they are checked when they are used. */
async function countRead({ reader }: ApprovalContext, request: ApprovalRequestRow): Promise<number> {
  const rows = await approvalsOf(reader, [request.id]);
  return new Set(rows.filter((row) => isApproving(row, request)).map(({ person_id }) => person_id)).size;
}

/** People who approved it, whose word and who themselves are as the ledger recorded them, and who are there still. */
async function countApproving(facts: Facts, request: ApprovalRequestRow, ids: readonly string[]): Promise<number> {
  const people = new Set<string>();
  for (const id of ids) {
    const { row, tampered } = await facts.examine('approvals', id);
    if (row === undefined || tampered || row.request_id !== request.id || !isApproving(row, request)) continue;
    const person = await facts.examine('people', row.person_id);
    if (person.row?.state === 'active' && !person.tampered) people.add(row.person_id);
  }
  return people.size;
}
