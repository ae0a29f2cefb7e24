import { type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Judged } from './judge.ts';
import { isWithin, type Principal } from './principal.ts';

/**
 * What is critical a person confirms, and a service can't: since the first person enrolled it does so only where a policy
 * names it, and the place, of secrets the path (DESIGN §5). What is not of production is left to its scopes.
 */
export function refuseUnnamed(principal: Principal): Refusal | null {
  const { judge } = principal;
  if (!judge.bindsServices) return null;
  // Others were made on the way.
  const last = judge.decisions.at(-1);
  const made = judge.decisions.filter(({ action, decision }) => action === last?.action && decision.allowed);
  const lacking = made.filter((one) => !isInside(one, made) && !one.decision.byName);
  const bound = lacking.find(({ resource }) => judge.isProduction(resource));
  if (made.length > 0 && bound === undefined) return null;
  const needed = bound === undefined ? '' : `, such as: ${judge.suggest(principal, bound.action, bound.resource)}`;
  return refuse(
    'FORBIDDEN',
    `No person confirms what a service does: it takes a policy that names it and where${needed}`,
  );
}

/** Whether the same was decided further in: of a project, and then of the environment that it is about. */
function isInside({ resource }: Judged, made: readonly Judged[]): boolean {
  return made.some((other) => isWithin(other.resource, resource));
}
