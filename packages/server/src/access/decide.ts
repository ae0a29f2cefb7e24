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

/** What is known of something that is decided on. */
export interface About {
  /** False where it is not known whether there is anything. */
  readonly isThere?: boolean;
  /** It takes away and gives nothing: no policy makes that wait for approvals. */
  readonly narrows?: boolean;
}

/** Decides, and remembers it. */
export function decideNoted(
  principal: Principal,
  action: Action,
  resource: Resource,
  { isThere = true, narrows = false }: About = {},
): Decision {
  const first = decide(principal, action, resource);
  const waits = narrows && first.approvals !== undefined;
  const decision = waits ? principal.judge.ifApproved(principal, action, resource) : first;
  principal.judge.note({ principal, action, resource, decision, isThere });
  return decision;
}
