import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import { type Action, authorise } from './authorise.ts';
import { covers, type Principal, type Resource } from './principal.ts';

/**
 * Where something lies, or that it doesn't exist. What lies beyond the caller's binding answers with `absent`, as if
 * it did not exist.
 */
export interface Located {
  readonly resource: Resource;
  readonly absent: Refusal;
}

/** Allows the action at that place, or refuses, naming the rule. */
export function allow(principal: Principal, action: Action, located: Located | Refusal): Refusal | null {
  const decision = authorise(principal, action);
  if (!decision.allowed) return refuse('FORBIDDEN', `This token does not allow it: ${decision.rule}.`);
  if (isRefusal(located)) return located;
  return covers(principal, located.resource) ? null : located.absent;
}

/** Allows an action on the installation as a whole; a bound token can't. */
export function allowOnInstallation(principal: Principal, action: Action): Refusal | null {
  return allow(principal, action, {
    resource: { project: null, environment: null },
    absent: refuse('FORBIDDEN', 'This token is bound to a project or an environment.'),
  });
}
