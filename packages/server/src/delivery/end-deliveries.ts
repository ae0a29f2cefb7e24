import type { Facts } from '../ledger/facts.ts';
import { findWaiting } from './deliveries.store.ts';

/** One that was tampered with counts twice, and what its entry is about has to fit too. */
const ROOM_LEFT = 2;

/**
 * Takes the envelopes out of deliveries, within the change that ends what they deliver: whoever still has the link gets
 * nothing. As far as the entry has room; it works on rows that somebody wrote past the ledger too.
 * @returns whether more are left
 */
export async function endDeliveries(facts: Facts, ids: readonly string[]): Promise<boolean> {
  for (const id of ids) {
    if (facts.room < 2 + ROOM_LEFT) return true;
    await facts.takeAway('deliveries', id, { envelope: null });
  }
  return false;
}

/** The same of all that deliver these. */
export async function endDeliveriesOf(facts: Facts, subjects: readonly string[]): Promise<boolean> {
  return await endDeliveries(facts, await findWaiting(facts.db, subjects));
}
