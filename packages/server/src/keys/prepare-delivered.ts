import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { NewCredential } from '@keyhold/protocol/operations/credentials';
import type { Delivery, DeliverTo } from '@keyhold/protocol/operations/deliveries';
import { describeWay, prepareWay, type Way } from '../delivery/deliver.ts';
import type { PreparedDelivery } from '../delivery/create-delivery.ts';
import type { Secret } from '../vault/secret.ts';
import type { Vault } from '../vault/vault.ts';
import type { PlacedKey } from './keys.store.ts';
import { type CredentialPlace, type PreparedCredential, prepareCredential } from './new-credential.ts';

/** A credential, and how its secret will leave, where it has one. */
export interface Prepared {
  readonly credential: PreparedCredential;
  readonly way: Way | undefined;
}

/** Prepares a credential and its way out, before anything is written. */
export async function prepareDelivered(
  vault: Vault,
  place: CredentialPlace,
  asked: NewCredential | undefined,
  to: DeliverTo | undefined,
): Promise<Prepared | Refusal> {
  if (asked?.kind === 'public-key' && to !== undefined) {
    return refuse('INVALID_INPUT', 'There is nothing to deliver: the holder has the private key.', '/deliverTo');
  }
  const credential = await prepareCredential(vault, place, asked);
  if (isRefusal(credential)) return credential;
  const way = to === undefined ? undefined : await prepareWay(vault, place, to);
  return isRefusal(way) ? way : { credential, way };
}

/** Where another credential of a key will lie. */
export function credentialPlaceOf(key: PlacedKey): CredentialPlace {
  const names = { environment: `${key.project_slug}/${key.environment_name}`, holder: key.id };
  return { project_id: key.project_id, environment_id: key.environment_id, prefix: key.environment_prefix, ...names };
}

/** Its token is a secret, so who answers exposes it. */
export type DescribeOnce = (prepared: PreparedDelivery) => Delivery;

/** What the answer says instead of the secret: to a recipient goes what a delivery would carry, where that is more. */
export async function describeDelivered(
  { credential }: Prepared,
  way: Way,
  describeOnce: DescribeOnce,
): Promise<Delivery> {
  const { secret, passphrase, content } = credential;
  return await describeWay(way, (passphrase === null ? secret : content) as Secret, describeOnce);
}
