import type { ChangeContext } from '../change-context.ts';
import { findOver } from './approvals.store.ts';
import type { ApprovalContext } from './ask-approval.ts';

/** Of one run. */
const MAX_ROWS = 50;

/** Ends what waited too long, and forgets its body. */
export async function expireApprovals({
  ledger,
  reader,
  clock,
}: Pick<ChangeContext, 'ledger' | 'clock'> & Pick<ApprovalContext, 'reader'>): Promise<void> {
  for (const id of await findOver(reader, clock.wall(), MAX_ROWS)) {
    const draft = { actor: 'system', action: 'approval.over', subject: id, locks: [id] };
    await ledger.record(draft, async (facts) => {
      const row = await facts.find('approval_requests', id);
      if (row?.state !== 'waiting' || clock.wall() < row.expires_at) return null;
      return await facts.update('approval_requests', row, { state: 'over', body: '' });
    });
  }
}
