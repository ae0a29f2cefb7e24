import { type Action, opens } from './authorise.ts';
import type { Decision } from './judge.ts';
import { isRole, nameOf } from './opener.ts';
import { covers, type Principal, type Resource } from './principal.ts';

/**
 * Whether somebody may do something there. A policy that forbids wins over one that permits, and both over what he was
 * granted; where nothing opens it, it is closed.
 */
export function decide(principal: Principal, action: Action, resource: Resource): Decision {
  const ruling = principal.judge.rule(principal, action, resource);
  if (ruling !== null) {
    const { effect, policy: rule, byName = false, approvals } = ruling;
    return { allowed: effect === 'permit', rule, byName, ...(approvals === undefined ? {} : { approvals }) };
  }
  const grant = principal.grants.find((one) => opens(one.opener, action) && covers(one, resource));
  if (grant === undefined) return { allowed: false, rule: 'default', byName: false };
  const kind = isRole(grant.opener) ? 'role' : 'scope';
  return { allowed: true, rule: `${kind}:${nameOf(grant.opener)}`, byName: false };
}

/** Decides, and remembers it. */
export function decideNoted(principal: Principal, action: Action, resource: Resource, isThere = true): Decision {
  const decision = decide(principal, action, resource);
  principal.judge.note({ principal, action, resource, decision, isThere });
  return decision;
}
