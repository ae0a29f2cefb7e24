import { endDeliveries } from '../delivery/end-deliveries.ts';
import type { Facts } from '../ledger/facts.ts';
import { findDelivered, findLinks } from './secrets.store.ts';

/**
 * Ends the links and wrapped answers that would still give versions of a secret to whoever has them, within the change
 * that ends those versions and as far as its entry has room.
 * @returns whether more are left
 */
export async function endLinks(facts: Facts, secretId: string, isOver: (version: number) => boolean): Promise<boolean> {
  const waiting = await findLinks(facts.db, secretId);
  if (waiting.length === 0) return false;
  const unsaid = waiting.filter(({ version }) => version === null).map(({ createdAt }) => createdAt);
  const delivered = unsaid.length === 0 ? undefined : await findDelivered(facts.db, secretId, Math.min(...unsaid));
  const over = waiting.filter(({ id, version }) => {
    const which = version ?? delivered?.get(id);
    // Which one it gives is in no entry where that was given up: then it may be this one.
    return which === undefined || isOver(which);
  });
  return await endDeliveries(
    facts,
    over.map(({ id }) => id),
  );
}
