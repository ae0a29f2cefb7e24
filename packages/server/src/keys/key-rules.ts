import { type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Rules } from '@keyhold/protocol/operations/rules';
import { isAmong } from '@keyhold/verifier/key-rules';
import { areOpen, areWithin, packNetworks } from '@keyhold/verifier/networks';
import { Grantable } from '@keyhold/verifier/permissions';

/** A key as rules look at it. */
export interface RuledKey {
  readonly permissions: readonly string[];
  readonly allowedNetworks: readonly string[];
  readonly addressBook: readonly string[];
}

/** What a key lacks of what its environment asks for, or null. */
export function checkRules({ withdrawals }: Rules, key: RuledKey): Refusal | null {
  const found = key.permissions.find((permission) => isAmong(withdrawals, partsOf(permission)));
  if (found === undefined) return null;
  if (isOpen(key.allowedNetworks)) {
    return refuse(
      'RULE_NOT_MET',
      `A key with ${found} has to name the networks that it is used from, and not all there are.`,
      '/allowedNetworks',
    );
  }
  if (key.addressBook.length > 0) return null;
  return refuse('RULE_NOT_MET', `A key with ${found} has to name the addresses that funds may go to.`, '/addressBook');
}

/** Whether rules keep from a key whose networks keep nobody out what others have. */
export function takesNetworks({ withdrawals, withoutNetworks }: Rules): boolean {
  return withdrawals.length > 0 || withoutNetworks !== null;
}

/** Whether networks keep nobody out; rules take such ones for none. */
export function isOpen(networks: readonly string[]): boolean {
  const packed = packNetworks(networks);
  return 'error' in packed || areOpen(packed);
}

/** Whether each of these networks lies within one of the others; none at all is everywhere. */
export function areNetworksWithin(networks: readonly string[], others: readonly string[]): boolean {
  if (others.length === 0) return true;
  if (networks.length === 0) return false;
  const [inner, outer] = [packNetworks(networks), packNetworks(others)];
  return !('error' in inner) && !('error' in outer) && areWithin(inner, outer);
}

/** Whether one of these permissions grants all that this one does. */
export function isCovered(permission: string, by: readonly string[]): boolean {
  const { resource, action } = partsOf(permission);
  return new Grantable(resource, action).isIn(by);
}

function partsOf(permission: string): { resource: string; action: string } {
  const colon = permission.indexOf(':');
  return { resource: permission.slice(0, colon), action: permission.slice(colon + 1) };
}
