import type { Action } from '../authorise.ts';
import { decide } from '../decide.ts';
import type { Principal, Reach, Resource } from '../principal.ts';

/**
 * Where somebody may do something that policies have a say in: each place is decided by itself, so that a list shows
 * nothing that is denied where it lies. Places are few, and are decided only when they are asked for.
 */
export class PolicedReach implements Reach {
  readonly #principal: Principal;
  readonly #action: Action;
  #places: Pick<Reach, 'projects' | 'environments'> | undefined;

  constructor(principal: Principal, action: Action) {
    this.#principal = principal;
    this.#action = action;
  }

  get projects(): Reach['projects'] {
    return this.#decided().projects;
  }

  get environments(): Reach['environments'] {
    return this.#decided().environments;
  }

  reaches(resource: Resource): boolean {
    return decide(this.#principal, this.#action, resource).allowed;
  }

  #decided(): Pick<Reach, 'projects' | 'environments'> {
    this.#places ??= this.#decideAll();
    return this.#places;
  }

  #decideAll(): Pick<Reach, 'projects' | 'environments'> {
    const all = this.#principal.judge.everyPlace();
    const open = all.filter((resource) => this.reaches(resource));
    const environments = open.flatMap(({ environment }) => (environment === null ? [] : [environment]));
    // Of what is not known nothing is shown, so nothing counts as whole.
    if (!this.#principal.judge.knowsEveryPlace) return { projects: [], environments };
    if (open.length === all.length) return { projects: null, environments };
    const closed = new Set(all.filter((one) => one.environment !== null && !open.includes(one)).map(projectOf));
    const projects = open.filter(({ project, environment }) => environment === null && project !== null).map(projectOf);
    return { projects: projects.filter((project) => !closed.has(project)), environments };
  }
}

function projectOf({ project }: Resource): string {
  return project ?? '';
}
