import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import { type Action, grantsThatOpen } from './authorise.ts';
import { INSTALLATION, type Principal, type Reach, reaches, reachOf, type Resource } from './principal.ts';

/**
 * Where something lies, or that it doesn't exist. What lies beyond the caller's reach answers with `absent`, as if it
 * did not exist.
 */
export interface Located {
  readonly resource: Resource;
  readonly absent: Refusal;
}

/** Where the principal may do this, or that it is nowhere. */
export function reachFor(principal: Principal, action: Action): Reach | Refusal {
  const opening = grantsThatOpen(principal, action);
  return isRefusal(opening) ? opening : reachOf(opening);
}

/** Allows the action at that place, or refuses, naming the rule. */
export function allow(principal: Principal, action: Action, located: Located | Refusal): Refusal | null {
  const reach = reachFor(principal, action);
  if (isRefusal(reach)) return reach;
  if (isRefusal(located)) return located;
  return reaches(reach, located.resource) ? null : located.absent;
}

const NOT_OF_ALL = refuse('FORBIDDEN', 'This is of the installation as a whole, and you are bound to a part of it.');

/** Allows an action on the installation as a whole; whoever is bound to a part of it can't. */
export function allowOnInstallation(principal: Principal, action: Action): Refusal | null {
  return allow(principal, action, { resource: INSTALLATION, absent: NOT_OF_ALL });
}
