import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { ApprovalRequestRow } from '../../database/people-rows.ts';
import type { Facts } from '../../ledger/facts.ts';
import type { Recorded } from '../../ledger/entry.ts';
import type { Action } from '../authorise.ts';
import { attribution, type Caller } from '../change-context.ts';
import { BARRED_MS, isWaiting, noApproval, OVER, resourceOf } from './approval.ts';
import { approvalsOf, isHisWord, savedSince } from './approvals.store.ts';
import type { ApprovalContext } from './ask-approval.ts';
import { readTwos } from './find-two.ts';
import { findBarred } from './find-barred.ts';

type Decided = Recorded<ApprovalRequestRow> | Refusal;

export interface Said {
  readonly digest: string;
  readonly reason: string;
}

/**
 * Approves just this request of somebody else. It takes somebody who could do it himself, were it approved: and who is
 * not, as far as anybody can tell, the one who asks.
 */
export async function approveRequest(
  context: ApprovalContext,
  caller: Caller,
  id: string,
  { digest, reason }: Said,
): Promise<Decided> {
  const { ledger, random, clock } = context;
  const { principal } = caller;
  const approval = random.newId('approval');
  const areTwo = await readTwos(context.reader);
  const draft = { ...attribution(caller), action: 'approval.given', subject: id, locks: [id] };
  return await ledger.record(draft, async (facts) => {
    const row = await openWaiting(context, facts, id);
    if (isRefusal(row)) return row;
    const { allowed, rule } = principal.judge.ifApproved(principal, row.action as Action, resourceOf(row));
    if (!allowed) return noApproval(id);
    if (row.digest !== digest) return refuse('INVALID_INPUT', 'It is another request than this that waits.', '/digest');
    const now = clock.wall();
    const barred = await findBarred(facts.db, row.person_id, now);
    if (barred.has(principal.id)) {
      const why =
        'Nobody approves what is his own, nor of anybody with whom he is linked within a day: who made whom, let whom ' +
        'enrol anew, gave whom a role, or saved the provider that did.';
      return refuse('FORBIDDEN', why);
    }
    if (!areTwo(row.person_id, principal.id))
      return refuse(
        'FORBIDDEN',
        'You may be the one who asks: both of you have to be known at one provider, or neither.',
      );
    if (await savedSince(facts.db, rule, now - BARRED_MS))
      return refuse('FORBIDDEN', 'What opens this to you was changed within a day: somebody else has to approve it.');
    const self = await facts.find('people', principal.id);
    if (self === undefined) return OVER;
    for (const said of await approvalsOf(facts.db, [id])) if (await isHisWord(facts.db, said, self)) return OVER;
    const given = { verdict: 'approve', digest, reason, created_at: now } as const;
    await facts.insert('approvals', { id: approval, request_id: id, person_id: principal.id, ...given });
    return row;
  });
}

/** Denies it, or withdraws one's own: neither waits for anything. */
export async function denyRequest(
  context: ApprovalContext,
  caller: Caller,
  id: string,
  reason: string,
): Promise<Decided> {
  const { ledger, random, clock } = context;
  const { principal } = caller;
  const approval = random.newId('approval');
  const draft = { ...attribution(caller), action: 'approval.denied', subject: id, locks: [id] };
  return await ledger.record(draft, async (facts) => {
    const row = await openWaiting(context, facts, id);
    if (isRefusal(row)) return row;
    const isOwn = row.person_id === principal.id;
    if (!isOwn && !principal.judge.ifApproved(principal, row.action as Action, resourceOf(row)).allowed)
      return noApproval(id);
    const given = { verdict: 'deny', digest: row.digest, reason, created_at: clock.wall() } as const;
    await facts.insert('approvals', { id: approval, request_id: id, person_id: principal.id, ...given });
    return await facts.update('approval_requests', row, { state: isOwn ? 'withdrawn' : 'denied', body: '' });
  });
}

async function openWaiting(
  { clock }: ApprovalContext,
  facts: Facts,
  id: string,
): Promise<ApprovalRequestRow | Refusal> {
  const row = await facts.find('approval_requests', id);
  if (row === undefined) return noApproval(id);
  return isWaiting(row, clock.wall()) ? row : OVER;
}
