import { type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Clock } from '../../clock.ts';
import type { Facts } from '../../ledger/facts.ts';
import type { Action } from '../authorise.ts';
import { decide } from '../decide.ts';
import type { Approved, Decision, Judge, Judged, Ruling } from '../judge.ts';
import { isSamePlace, isWithin, type Principal, type Resource } from '../principal.ts';
import { permitText } from './cedar.ts';
import { askerOf, describe, everyPlace, isOfProduction } from './entities.ts';
import { goesOnWithoutPolicies } from './vocabulary.ts';
import { isAimedAt, type Policy } from './policy.ts';
import { MAX_APPROVALS, type PolicyBook } from './policy-book.ts';

const POLICIES_CHANGED = refuse('FORBIDDEN', 'Policies have changed just now: ask again.');

/** What judges work with. */
export interface Judging {
  readonly book: PolicyBook;
  readonly clock: Clock;
  /** Told each decision. */
  readonly decided: (judged: Judged, network: string, atMs: number) => void;
}

/** The policies, as one request meets them. */
export class RequestJudge implements Judge {
  readonly #judging: Judging;
  readonly #network: string;
  readonly #atMs: number;
  readonly #version: number;
  readonly decisions: Judged[] = [];
  #approved: Approved | null = null;

  /** @param network address that is asked from */
  constructor(judging: Judging, network: string) {
    this.#judging = judging;
    this.#network = network;
    this.#atMs = judging.clock.wall();
    this.#version = judging.book.version;
  }

  get bindsServices(): boolean {
    return this.#judging.book.hasPeople;
  }

  get hasChanged(): boolean {
    return this.#judging.book.version !== this.#version;
  }

  glassOf({ id, kind }: Principal): string | undefined {
    return kind === 'person' ? this.#judging.book.glassOf(id, this.#atMs) : undefined;
  }

  #ruleWith(principal: Principal, action: Action, resource: Resource, approvals: number): Ruling | null {
    const circumstances = { network: this.#network, atMs: this.#atMs, approvals };
    return this.#judging.book.rule(principal, action, resource, circumstances);
  }

  approvalsOf(action: Action, resource: Resource): number {
    const approved = this.#approved;
    if (approved === null || approved.action !== action) return 0;
    const isThere = isSamePlace(resource, approved.resource) || isWithin(resource, approved.resource);
    return isThere ? approved.count : 0;
  }

  approvedBy(approved: Approved): void {
    this.#approved = approved;
  }

  ifApproved(principal: Principal, action: Action, resource: Resource): Decision {
    const judge = new RequestJudge(this.#judging, this.#network);
    judge.rule = (who, what, where) => this.#ruleWith(who, what, where, MAX_APPROVALS);
    return decide({ ...principal, judge }, action, resource);
  }

  withoutWaiting(principal: Principal, action: Action, resource: Resource): Decision | null {
    const decision = this.ifApproved(principal, action, resource);
    // A policy that permits once others approved gives nothing without them.
    const opens = this.#judging.book.list().find(({ id }) => id === decision.rule);
    return opens?.minds.approvals === true ? null : decision;
  }

  guard(facts: Facts): Promise<Refusal | null> | Refusal | null {
    const last = this.decisions.at(-1)?.action;
    // What was allowed before a policy changed is not done after that was answered; taking away waits for none.
    const isBarred = this.hasChanged && (last === undefined || !goesOnWithoutPolicies(last));
    return isBarred ? POLICIES_CHANGED : (this.#approved?.use(facts) ?? null);
  }

  concerns(principal: Principal, action: Action): boolean {
    const { book } = this.#judging;
    return book.isBroken(action) || book.anywhere(principal, action).length > 0;
  }

  mayPermit(principal: Principal, action: Action): boolean {
    return this.#judging.book.anywhere(principal, action).some(({ effect }) => effect === 'permit');
  }

  rule(principal: Principal, action: Action, resource: Resource): Ruling | null {
    const isOpen = this.glassOf(principal) !== undefined;
    return this.#ruleWith(principal, action, resource, isOpen ? MAX_APPROVALS : this.approvalsOf(action, resource));
  }

  mayForbid(principal: Principal, action: Action, within: Resource): boolean {
    const { book } = this.#judging;
    if (book.isBroken(action)) return true;
    const slug = this.#slugOf(within);
    // What forbids it to everybody forbids it to whoever is given something, too.
    const asker = askerOf(principal, null);
    const isNear = ({ project }: Policy) => slug === null || project === null || project === slug;
    return book
      .anywhere(principal, action)
      .some((policy) => policy.effect === 'forbid' && isNear(policy) && isAimedAt(policy, asker));
  }

  #slugOf({ project, environment }: Resource): string | null {
    const { places } = this.#judging.book;
    const owner = environment === null ? project : places.projectOf(environment);
    return owner === null ? null : (places.slugOf(owner) ?? null);
  }

  get knowsEveryPlace(): boolean {
    return this.#judging.book.places.isWhole;
  }

  everyPlace(): readonly Resource[] {
    return everyPlace(this.#judging.book.places);
  }

  suggest(principal: Principal, action: Action, resource: Resource): string {
    const described = describe(this.#judging.book.places, resource);
    if (described === undefined) return '';
    const { uid, parents } = askerOf(principal, null);
    const workload = parents.find(({ type }) => type === 'Workload');
    return permitText(workload ?? uid, action, described.uid);
  }

  note(judged: Judged): void {
    this.decisions.push(judged);
    this.#judging.decided(judged, this.#network, this.#atMs);
  }

  isProduction(resource: Resource): boolean {
    return isOfProduction(this.#judging.book.places, resource);
  }
}
