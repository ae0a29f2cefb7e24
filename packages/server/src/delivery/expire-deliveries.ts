import { isRefusal } from '@keyhold/protocol/errors';
import type { Vault } from '../vault/vault.ts';
import { findExpired } from './deliveries.store.ts';

/** Deliveries of one entry: its leaf is bounded. */
const BATCH = 40;

/**
 * Takes the envelopes out of deliveries whose time is over: nobody can take them any more, and so nobody should be
 * able to find them.
 * @returns how many
 */
export async function expireDeliveries({
  ledger,
  reader,
  clock,
}: Pick<Vault, 'ledger' | 'reader' | 'clock'>): Promise<number> {
  let count = 0;
  for (let after = ''; ; ) {
    const ids = await findExpired(reader, clock.wall(), after, BATCH);
    const last = ids.at(-1);
    if (last === undefined) return count;
    const { installation } = ledger.head;
    const draft = { actor: 'system', action: 'delivery.expired', subject: installation, locks: ids };
    const recorded = await ledger.record(draft, async (facts) => {
      let expired = 0;
      for (const id of ids) {
        const { row, tampered } = await facts.examine('deliveries', id);
        if (row === undefined || tampered) continue;
        await facts.update('deliveries', row, { envelope: null });
        expired++;
      }
      return expired;
    });
    if (isRefusal(recorded)) return count;
    count += recorded.value;
    // What was tampered with stays, and its alarm tells: it keeps back none of those after it.
    after = last;
  }
}
