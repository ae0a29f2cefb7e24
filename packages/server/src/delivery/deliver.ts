import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import type { Delivery, DeliverTo } from '@keyhold/protocol/operations/deliveries';
import type { Facts } from '../ledger/facts.ts';
import type { Secret } from '../vault/secret.ts';
import type { InEnvironment, Vault } from '../vault/vault.ts';
import { createDelivery, type PreparedDelivery } from './create-delivery.ts';
import { type EncryptToRecipient, readRecipient } from './encrypt-to-recipient.ts';

/** How a secret that is about to be made will leave: settled before it is made, so that it can't be lost on the way. */
export type Way =
  | { readonly kind: 'once'; readonly prepared: PreparedDelivery }
  | { readonly kind: 'age'; readonly encrypt: EncryptToRecipient };

export async function prepareWay(vault: Vault, place: InEnvironment, to: DeliverTo): Promise<Way | Refusal> {
  if ('age' in to) {
    const encrypt = await readRecipient(to.age);
    return isRefusal(encrypt) ? encrypt : { kind: 'age', encrypt };
  }
  const prepared = await createDelivery(vault, place, to.once.ttlSeconds);
  return isRefusal(prepared) ? prepared : { kind: 'once', prepared };
}

/** The same way, open no longer than until then (epoch milliseconds; null: as long as it is). */
export function endingBy(way: Way, ms: number | null): Way {
  return way.kind === 'once' ? { ...way, prepared: way.prepared.endingBy(ms) } : way;
}

/** What has to be written with the change that makes the secret. */
export async function writeWay(way: Way | undefined, facts: Facts, subject: string, secret: Secret): Promise<void> {
  if (way?.kind === 'once') await way.prepared.insert(facts, subject, secret);
}

/** What the answer says instead of the secret; a token is a secret, so who answers exposes it. */
export async function describeWay(
  way: Way,
  secret: Secret,
  describeOnce: (prepared: PreparedDelivery) => Delivery,
): Promise<Delivery> {
  return way.kind === 'age' ? { encrypted: await way.encrypt(secret) } : describeOnce(way.prepared);
}
