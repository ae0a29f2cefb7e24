import type { Refusal } from '@keyhold/protocol/errors';
import type { Facts } from '../ledger/facts.ts';
import type { Action } from './authorise.ts';
import type { Principal, Resource } from './principal.ts';

/** What policies say of something; the first that says it, where several do. */
export interface Ruling {
  readonly effect: 'permit' | 'forbid';
  /** Id of the policy. */
  readonly policy: string;
  /** Permitted by a policy that names this very service (or workload) and a place. */
  readonly byName?: boolean;
  /** With so many approvals it would not be forbidden. */
  readonly approvals?: number;
}

/** Whether somebody may do something somewhere, and what says so. */
export interface Decision {
  readonly allowed: boolean;
  /** `pol_…`, `role:developer`, `scope:keys`, or `default`: nothing opens it. */
  readonly rule: string;
  readonly byName: boolean;
  /** So many others have to approve it. */
  readonly approvals?: number;
}

/** One decision, and what it was about. */
export interface Judged {
  readonly principal: Principal;
  readonly action: Action;
  readonly resource: Resource;
  readonly decision: Decision;
  /** Whether it lies there already: who guesses paths fills no record with them. */
  readonly isThere?: boolean;
  /** It took away and gave nothing. */
  readonly narrows?: boolean;
  /** A list showed something there. */
  readonly isShown?: boolean;
}

/** That others approved something. */
export interface Approved {
  readonly count: number;
  readonly action: Action;
  /** There, and further in. */
  readonly resource: Resource;
  /** Uses it up, within the change that it allows. */
  readonly use: (facts: Facts) => Promise<Refusal | null>;
}

/**
 * The policies in force, as one request meets them. INVARIANT: they are the same from its first decision to its last,
 * and what it changes is undone where they changed meanwhile (`hasChanged`).
 */
export interface Judge {
  /** False where no policy has a say in the action of this principal, wherever it is done. */
  concerns(principal: Principal, action: Action): boolean;
  /** Whether a policy may permit it to him somewhere. */
  mayPermit(principal: Principal, action: Action): boolean;
  /** What policies say; null: nothing, so that grants decide. */
  rule(principal: Principal, action: Action, resource: Resource): Ruling | null;
  /** Whether a policy that is about him, and not about everybody, may forbid him this somewhere within. */
  mayForbid(principal: Principal, action: Action, within: Resource): boolean;
  /** False where a row of a place was tampered with: nobody knows then what it falls under. */
  readonly knowsEveryPlace: boolean;
  /** Every place that is known: the installation, projects, environments. */
  everyPlace(): readonly Resource[];
  /** The text of a policy that permits him just this. */
  suggest(principal: Principal, action: Action, resource: Resource): string;
  /** Remembers a decision of this request. */
  note(judged: Judged): void;
  /** Decisions of this request, in order. */
  readonly decisions: readonly Judged[];
  /** Whether services are held to what policies name: since the first person enrolled. */
  readonly bindsServices: boolean;
  /** Whether an environment is one of production; in doubt it is. */
  isProduction(resource: Resource): boolean;
  /** Whether policies have changed since this request began. */
  readonly hasChanged: boolean;
  /** How many others approved just this, in just this request. */
  approvalsOf(action: Action, resource: Resource): number;
  /** From now on what they looked at is judged as approved by so many. */
  approvedBy(approved: Approved): void;
  /** Id of what lets him go on without approvals now, or undefined. */
  glassOf(principal: Principal): string | undefined;
  /** What would be decided if enough approved it. */
  ifApproved(principal: Principal, action: Action, resource: Resource): Decision;
  /** The same, of what waits for nobody; null where it is approvals that would open it. */
  withoutWaiting(principal: Principal, action: Action, resource: Resource): Decision | null;
  /** Asked within each change that this request makes, before it. */
  guard(facts: Facts): Promise<Refusal | null> | Refusal | null;
}

/** For where no policies are: grants alone decide. */
export const NO_POLICIES: Judge = {
  concerns: () => false,
  mayPermit: () => false,
  rule: () => null,
  mayForbid: () => false,
  knowsEveryPlace: true,
  everyPlace: () => [],
  suggest: () => '',
  note: () => {},
  decisions: [],
  bindsServices: false,
  isProduction: () => true,
  hasChanged: false,
  approvalsOf: () => 0,
  glassOf: () => undefined,
  approvedBy: () => {},
  ifApproved: () => ({ allowed: false, rule: 'default', byName: false }),
  withoutWaiting: () => null,
  guard: () => null,
};
