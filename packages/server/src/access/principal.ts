import type { State } from '@keyhold/protocol/state';
import type { Judge } from './judge.ts';
import type { Opener } from './opener.ts';

/** What somebody holds, and where: a scope of a token, a role of a person. */
export interface Grant {
  readonly opener: Opener;
  /** Project ids that it is bound to; null for all. */
  readonly projects: readonly string[] | null;
  /** Environment id that it is bound to; null for all of its projects. */
  readonly environment: string | null;
  /** Epoch milliseconds; null: no end. */
  readonly expiresAt: number | null;
}

/** Who acts: the holder of a token, or a person who signed in. */
export interface Principal {
  /** Of the token, or of the person. */
  readonly id: string;
  readonly kind: 'person' | 'service';
  readonly grants: readonly Grant[];
  /** Says what policies say of him, in this request. */
  readonly judge: Judge;
  /** Id of the workload whose token this is. */
  readonly workload?: string;
  /** Id of the provider whose token this is. */
  readonly signOn?: string;
  /** Of a person. */
  readonly session?: { readonly id: string; readonly kind: 'browser' | 'cli' };
}

/** What is acted on: a place in the installation. Null members mean "the whole of". */
export interface Resource {
  readonly project: string | null;
  readonly environment: string | null;
  /** Path of a secret in the environment. */
  readonly secret?: string;
}

/** The installation itself. */
export const INSTALLATION: Resource = { project: null, environment: null };

export function isSamePlace(one: Resource, other: Resource): boolean {
  return one.project === other.project && one.environment === other.environment && one.secret === other.secret;
}

/** True when one place lies further in than the other. */
export function isWithin(inner: Resource, outer: Resource): boolean {
  if (outer.secret !== undefined) return false;
  if (outer.environment !== null) return inner.environment === outer.environment && inner.secret !== undefined;
  if (outer.project !== null) return inner.project === outer.project && inner.environment !== null;
  return inner.project !== null;
}

/** A token is alive while active and within its time. */
export function isAlive(token: { readonly state: State; readonly expires_at: number | null }, nowMs: number): boolean {
  return token.state === 'active' && (token.expires_at === null || nowMs < token.expires_at);
}

/** True when everything at `resource` lies within what the grant is bound to. */
export function covers(grant: Pick<Grant, 'projects' | 'environment'>, resource: Resource): boolean {
  if (grant.environment !== null) return resource.environment === grant.environment;
  if (grant.projects === null) return true;
  return resource.project !== null && grant.projects.includes(resource.project);
}

/** Where somebody may do something: all that is open to him. */
export interface Reach {
  /** Project ids that lie in it whole; null: everything. */
  readonly projects: readonly string[] | null;
  /** Ids of environments that lie in it, whatever their projects. */
  readonly environments: readonly string[];
  /** Whether something at that place lies in it. What lies further in may be forbidden all the same. */
  reaches(resource: Resource): boolean;
}

/** Whether the project and everything in it lies in it. */
export function holdsWhole({ projects }: Reach, project: string): boolean {
  return projects === null || projects.includes(project);
}

/** Where grants reach, where no policy has a say. */
export function reachOf(grants: readonly Grant[]): Reach {
  const bound = grants.filter(({ environment }) => environment === null).map(({ projects }) => projects);
  return {
    projects: bound.includes(null) ? null : bound.flatMap((projects) => projects ?? []),
    environments: grants.flatMap(({ environment }) => (environment === null ? [] : [environment])),
    reaches: (resource) => grants.some((grant) => covers(grant, resource)),
  };
}
