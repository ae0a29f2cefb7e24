import { type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Role } from '@keyhold/protocol/role';
import type { Scope } from '@keyhold/protocol/state';
import { type Action, actionsOf, opens } from './authorise.ts';
import { covers, type Grant, type Principal, type Resource } from './principal.ts';

/** What somebody wants to give to another. */
export interface Gift {
  readonly openers: readonly (Scope | Role)[];
  /** All of what it will cover. */
  readonly at: readonly Resource[];
  /** Epoch milliseconds; null: no end. */
  readonly expiresAt: number | null;
}

/** Nobody gives more than he has, nor for longer than he has it. */
export function refuseExcess({ grants }: Principal, { openers, at, expiresAt }: Gift): Refusal | null {
  const lasting = grants.filter((grant) => grant.expiresAt === null || (expiresAt ?? Infinity) <= grant.expiresAt);
  const actions = new Set(openers.flatMap(actionsOf));
  for (const action of actions) {
    if (canAll(lasting, action, at)) continue;
    if (canAll(grants, action, at))
      return refuse('FORBIDDEN', 'You can only give what ends when your own right does, or before.', '/expiresAt');
    return refuse(
      'FORBIDDEN',
      `You can only give what you have, within your own binding: ${action} you have not there.`,
    );
  }
  return null;
}

function canAll(grants: readonly Grant[], action: Action, at: readonly Resource[]): boolean {
  const opening = grants.filter(({ opener }) => opens(opener, action));
  return at.every((resource) => opening.some((grant) => covers(grant, resource)));
}
