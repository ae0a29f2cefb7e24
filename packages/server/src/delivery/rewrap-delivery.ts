import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import { attribution, type Caller } from '../access/change-context.ts';
import type { Facts } from '../ledger/facts.ts';
import type { Secret } from '../vault/secret.ts';
import { SEALED, type Vault } from '../vault/vault.ts';
import type { PreparedDelivery } from './create-delivery.ts';
import { findDelivery } from './deliveries.store.ts';
import { onceDigest, subjectOf } from './delivery.ts';
import { openDelivery } from './open-delivery.ts';
import { enterRefused, GONE, takeRow } from './take-delivery.ts';

/**
 * Puts what a delivery carries into another one, of the same subject, or its own where that was. INVARIANT: within one change, so that it waits
 * in exactly one of the two whatever fails. It is opened beforehand, and given to nobody.
 * @param endOf epoch milliseconds at which what is delivered ends; null: never
 */
export async function rewrapDelivery(
  vault: Vault,
  caller: Caller,
  token: string,
  to: PreparedDelivery,
  endOf: (facts: Facts, subject: string) => Promise<number | null | Refusal>,
): Promise<{ readonly content: Secret; readonly delivery: PreparedDelivery; readonly sequence: number } | Refusal> {
  if (vault.keyring.sealed) return SEALED;
  const known = await findDelivery(vault.reader, onceDigest(token));
  if (known === undefined) return GONE;
  if (known.envelope === null) return await enterRefused(vault, known, caller.ip, caller);
  const content = await openDelivery(vault, known);
  if (isRefusal(content)) return content;
  const draft = {
    ...attribution(caller),
    action: 'delivery.rewrapped',
    subject: subjectOf(known),
    code: to.id,
    project: known.project_id,
    environment: known.environment_id,
    locks: [known.id],
  };
  let delivery = to;
  const recorded = await vault.ledger.record(draft, async (facts) => {
    const row = await takeRow(vault, facts, known.id);
    if (isRefusal(row)) return row;
    const subject = row.subject === row.id ? to.id : row.subject;
    const end = await endOf(facts, subject);
    if (isRefusal(end)) return end;
    delivery = to.endingBy(end);
    await delivery.insert(facts, subject, content);
    return true;
  });
  if (!isRefusal(recorded)) return { content, delivery, sequence: recorded.sequence };
  return recorded.refused === 'DELIVERY_GONE' ? await enterRefused(vault, known, caller.ip, caller) : recorded;
}
