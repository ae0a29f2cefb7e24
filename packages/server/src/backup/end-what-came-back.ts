import { newestOf } from '../ledger/entries.store.ts';
import { type Facts, MAX_CHANGED_ROWS } from '../ledger/facts.ts';
import { ROLLBACK_ACCEPTED } from '../ledger/rollback-guard.ts';
import type { Vault } from '../vault/vault.ts';
import { openBefore, type OpenTable } from './came-back.store.ts';

/** Rows of one entry: its leaf is bounded, and names one twice that was tampered with. */
const BATCH = MAX_CHANGED_ROWS / 2;

const END: { readonly [T in OpenTable]: (facts: Facts, id: string) => Promise<unknown> } = {
  deliveries: async (facts, id) => {
    const { row, tampered } = await facts.examine('deliveries', id);
    return row === undefined || tampered ? null : await facts.update('deliveries', row, { envelope: null });
  },
  invitations: (facts, id) => facts.takeAway('invitations', id, { state: 'withdrawn' }),
  approval_requests: async (facts, id) => {
    const { row, tampered } = await facts.examine('approval_requests', id);
    const over = { state: 'over', body: '' } as const;
    return row === undefined || tampered ? null : await facts.update('approval_requests', row, over);
  },
};

/**
 * Ends what can be used once and was open in a state of before that an operator had served: it may have been used since
 * then. To be called at every start, before anybody can ask for it: what a crash kept from being ended is ended then.
 */
export async function endWhatCameBack({ ledger, reader }: Pick<Vault, 'ledger' | 'reader'>): Promise<void> {
  const accepted = await newestOf(reader, ROLLBACK_ACCEPTED);
  if (accepted === null) return;
  for (const table of Object.keys(END) as OpenTable[]) {
    for (let after = ''; ; ) {
      const ids = await openBefore(reader, table, accepted, after, BATCH);
      const last = ids.at(-1);
      if (last === undefined) break;
      const draft = { actor: 'system', action: 'rollback.ended', subject: ledger.head.installation, locks: ids };
      await ledger.record({ ...draft, code: table.replace('_', '-') }, async (facts) => {
        for (const id of ids) await END[table](facts, id);
        return null;
      });
      // What was tampered with stays, and its alarm tells.
      after = last;
    }
  }
}
