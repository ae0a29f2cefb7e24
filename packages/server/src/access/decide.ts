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

/** Whether it matters what exactly he asks: it is open to him, or would be once others approved it. */
export function mayAsk(principal: Principal, action: Action, resource: Resource): boolean {
  const { allowed, approvals } = decide(principal, action, resource);
  return allowed || approvals !== undefined;
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
  const decision = decideAbout(principal, action, resource, narrows);
  principal.judge.note({ principal, action, resource, decision, isThere, narrows });
  return decision;
}

/** The decision on something that takes away and gives nothing, or on anything else. */
export function decideAbout(principal: Principal, action: Action, resource: Resource, narrows: boolean): Decision {
  const first = decide(principal, action, resource);
  const waits = narrows && first.approvals !== undefined;
  return (waits ? principal.judge.withoutWaiting(principal, action, resource) : null) ?? first;
}
