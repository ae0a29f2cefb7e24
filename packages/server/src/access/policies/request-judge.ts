import type { Clock } from '../../clock.ts';
import type { Action } from '../authorise.ts';
import type { Judge, Judged, Ruling } from '../judge.ts';
import type { Principal, Resource } from '../principal.ts';
import { permitText } from './cedar.ts';
import { askerOf, describe, everyPlace } from './entities.ts';
import type { Policy } from './policy.ts';
import type { PolicyBook } from './policy-book.ts';

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

  concerns(principal: Principal, action: Action): boolean {
    const { book } = this.#judging;
    return book.isBroken(action) || book.anywhere(principal, action).length > 0;
  }

  mayPermit(principal: Principal, action: Action): boolean {
    return this.#judging.book.anywhere(principal, action).some(({ effect }) => effect === 'permit');
  }

  rule(principal: Principal, action: Action, resource: Resource): Ruling | null {
    const circumstances = { network: this.#network, atMs: this.#atMs, approvals: 0 };
    return this.#judging.book.rule(principal, action, resource, circumstances);
  }

  mayForbid(principal: Principal, action: Action, within: Resource): boolean {
    const { book } = this.#judging;
    if (book.isBroken(action)) return true;
    const slug = this.#slugOf(within);
    const isNear = ({ project }: Policy) => slug === null || project === null || project === slug;
    return book
      .anywhere(principal, action)
      .some((policy) => policy.effect === 'forbid' && isNear(policy) && isNotOfAll(policy));
  }

  #slugOf({ project, environment }: Resource): string | null {
    const { places } = this.#judging.book;
    const owner = environment === null ? project : places.projectOf(environment);
    return owner === null ? null : (places.slugOf(owner) ?? null);
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

  isProduction({ environment }: Resource): boolean {
    const kind = environment === null ? undefined : this.#judging.book.places.environmentOf(environment)?.kind;
    return kind === undefined || kind === 'production';
  }
}

/** What forbids it to everybody forbids it to whoever is given something, too. */
function isNotOfAll({ principal }: Policy): boolean {
  return Object.keys(principal).length > 0;
}
