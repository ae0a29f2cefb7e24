import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Operation } from '@keyhold/protocol/operation';
import { type Action, grantsThatOpen } from './authorise.ts';
import { type About, decide, decideNoted } from './decide.ts';
import type { Decision } from './judge.ts';
import { PolicedReach } from './policies/policed-reach.ts';
import { readingOf, resourceTypesOf } from './policies/vocabulary.ts';
import { INSTALLATION, type Principal, type Reach, reachOf, type Resource } from './principal.ts';

/**
 * Where something lies, or that it doesn't exist. What lies beyond the caller's reach answers with `absent`, as if it
 * did not exist.
 */
export interface Located extends About {
  readonly resource: Resource;
  readonly absent: Refusal;
}

/** Where the principal may do this, or that it is nowhere. */
export function reachFor(principal: Principal, action: Action): Reach | Refusal {
  const opening = grantsThatOpen(principal, action);
  if (isRefusal(opening) && !principal.judge.mayPermit(principal, action)) return opening;
  if (principal.judge.concerns(principal, action)) return new PolicedReach(principal, action);
  return isRefusal(opening) ? opening : reachOf(opening);
}

/** Refuses whoever may do some of what an operation declares nowhere at all. */
export function refuseAsked(principal: Principal, asked: NonNullable<Operation['asks']>): Refusal | null {
  for (const { action, unless } of asked) {
    if (unless !== undefined) continue;
    const reach = reachFor(principal, action as Action);
    if (isRefusal(reach)) return noteNowhere(principal, action as Action, reach);
  }
  return null;
}

/** That he may do it nowhere was decided too: there, where it is known where that is. */
function noteNowhere(
  principal: Principal,
  action: Action,
  refusal: Refusal,
  { resource = INSTALLATION, isThere = true }: Partial<Located> = {},
): Refusal {
  // A project's or an environment's is done nowhere else.
  const isDoneThere = resource !== INSTALLATION || resourceTypesOf(action).includes('Installation');
  if (isDoneThere) decideNoted(principal, action, resource, { isThere });
  return refusal;
}

/** Remembers what a list was decided on: each place of what it shows. What lies around such a place is decided by none. */
export function noteShown(principal: Principal, action: Action, shown: readonly Resource[]): void {
  const places = new Map(shown.map((resource) => [`${resource.project} ${resource.environment}`, resource]));
  for (const resource of places.values()) {
    const decision = decide(principal, action, resource);
    if (decision.allowed) principal.judge.note({ principal, action, resource, decision, isShown: true });
  }
}

/** Allows the action at that place, or refuses, naming the rule. */
export function allow(principal: Principal, action: Action, located: Located | Refusal): Refusal | null {
  const reach = reachFor(principal, action);
  if (isRefusal(reach)) return noteNowhere(principal, action, reach, isRefusal(located) ? {} : located);
  return isRefusal(located) ? located : allowAt(principal, action, located);
}

/** The same, for whoever may do it somewhere. */
export function allowAt(principal: Principal, action: Action, { resource, absent, ...about }: Located): Refusal | null {
  const decision = decideNoted(principal, action, resource, about);
  if (decision.allowed) return null;
  return decision.rule === 'default' || !maySee(principal, action, resource)
    ? absent
    : forbiddenBy(principal, decision);
}

/** Whoever may not even read that kind of thing there does not learn that it is there. */
function maySee(principal: Principal, action: Action, resource: Resource): boolean {
  const reading = readingOf(action);
  return reading !== undefined && reading !== action && decide(principal, reading, resource).allowed;
}

function forbiddenBy({ kind }: Principal, { rule, approvals }: Decision): Refusal {
  if (approvals === undefined || kind === 'service') return refuse('FORBIDDEN', `The policy ${rule} forbids it.`);
  const others = approvals === 1 ? 'another' : `${approvals} others`;
  return refuse('APPROVALS_REQUIRED', `The policy ${rule} wants the approval of ${others}.`);
}

const NOT_OF_ALL = refuse('FORBIDDEN', 'This is of the installation as a whole, and you are bound to a part of it.');

/** Allows an action on the installation as a whole; whoever is bound to a part of it can't. */
export function allowOnInstallation(principal: Principal, action: Action, about: About = {}): Refusal | null {
  const refused = allow(principal, action, { resource: INSTALLATION, absent: NOT_OF_ALL, ...about });
  // The installation is no secret: its policies can be named.
  const decision = refused === NOT_OF_ALL ? decide(principal, action, INSTALLATION) : null;
  return decision === null || decision.rule === 'default' ? refused : forbiddenBy(principal, decision);
}
