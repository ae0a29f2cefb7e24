import { type Refusal, refuse } from '@keyhold/protocol/errors';
import { type Action, actionsOf, givesAll, opens } from './authorise.ts';
import { nameOf, type Opener } from './opener.ts';
import { covers, type Grant, type Principal, type Resource } from './principal.ts';

/** What somebody wants to give to another. */
export interface Gift {
  /** What he does with it: this too he has to be able to do there. */
  readonly by: Action;
  readonly openers: readonly Opener[];
  /** All of what it will cover. */
  readonly at: readonly Resource[];
  /** Epoch milliseconds; null: no end. */
  readonly expiresAt: number | null;
}

/** Nobody gives more than he has, nor for longer than he has it. */
export function refuseExcess(principal: Principal, { by, openers, at, expiresAt }: Gift): Refusal | null {
  const { grants } = principal;
  const lasting = grants.filter((grant) => grant.expiresAt === null || (expiresAt ?? Infinity) <= grant.expiresAt);
  const needed: Needed[] = [by, ...openers.flatMap(actionsOf)].map((action) => ({
    what: action,
    opens: ({ opener }) => opens(opener, action),
  }));
  // Everything is more than all that there is now: several roles never add up to it.
  for (const all of openers.filter((opener) => givesAll(opener, opener))) {
    needed.push({ what: nameOf(all), opens: ({ opener }) => givesAll(opener, all) });
  }
  for (const { what, opens: isOpen } of needed) {
    if (canAll(lasting.filter(isOpen), at)) continue;
    if (canAll(grants.filter(isOpen), at))
      return refuse('FORBIDDEN', 'You can only give what ends when your own right does, or before.', '/expiresAt');
    return refuse('FORBIDDEN', `You can only give what you have, within your own binding: ${what} you have not there.`);
  }
  // What policies forbid him he could else do as whoever he gives it to.
  for (const action of [by, ...openers.flatMap(actionsOf)]) {
    if (at.some((resource) => principal.judge.mayForbid(principal, action, resource)))
      return refuse('FORBIDDEN', `You can only give what you have: a policy can forbid you ${action} there.`);
  }
  return null;
}

interface Needed {
  readonly what: string;
  readonly opens: (grant: Grant) => boolean;
}

function canAll(opening: readonly Grant[], at: readonly Resource[]): boolean {
  return at.every((resource) => opening.some((grant) => covers(grant, resource)));
}
