import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import { attribution, type Caller } from '../access/change-context.ts';
import { allow } from '../access/locate.ts';
import type { DeliveryRow } from '../database/schema.ts';
import type { Recorded } from '../ledger/entry.ts';
import type { Vault } from '../vault/vault.ts';
import { findDeliveryById } from './deliveries.store.ts';
import { subjectOf } from './delivery.ts';

/** Finds a delivery and whether the principal may end it. */
async function openToEnd({ reader }: Pick<Vault, 'reader'>, { principal }: Caller, id: string) {
  const absent = refuse('DELIVERY_GONE', `There is no delivery ${id}.`, 'id');
  const found = await findDeliveryById(reader, id);
  if (found === undefined) return allow(principal, 'deliveries.end', absent) ?? absent;
  const resource = { project: found.project_id, environment: found.environment_id };
  return allow(principal, 'deliveries.end', { resource, absent }) ?? found;
}

/**
 * Ends a delivery that went to somebody it was not meant for: whoever has its link gets nothing from now on. It works on
 * a row that somebody wrote past the ledger too, and says of one that was taken before that it was. Safe to repeat.
 */
export async function endDelivery(
  { ledger, reader }: Pick<Vault, 'ledger' | 'reader'>,
  caller: Caller,
  id: string,
): Promise<Recorded<DeliveryRow> | Refusal> {
  const found = await openToEnd({ reader }, caller, id);
  if (isRefusal(found)) return found;
  const draft = {
    ...attribution(caller),
    action: 'delivery.ended',
    subject: subjectOf(found),
    code: id,
    project: found.project_id,
    environment: found.environment_id,
    locks: [id],
  };
  return await ledger.record(draft, async (facts) => {
    const ended = await facts.takeAway('deliveries', id, { envelope: null });
    return ended ?? refuse('DELIVERY_GONE', `There is no delivery ${id}.`, 'id');
  });
}
