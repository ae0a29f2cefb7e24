import type { Scope, State } from '@keyhold/protocol/state';
import type { Role } from '@keyhold/protocol/role';

/** What somebody holds, and where: a scope of a token, a role of a person. */
export interface Grant {
  readonly opener: Scope | Role;
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
  readonly grants: readonly Grant[];
  /** Of a person. */
  readonly session?: { readonly id: string; readonly kind: 'browser' | 'cli' };
}

/** What is acted on: a place in the installation. Null members mean "the whole of". */
export interface Resource {
  readonly project: string | null;
  readonly environment: string | null;
}

/** The installation itself. */
export const INSTALLATION: Resource = { project: null, environment: null };

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

/** Where somebody may do something: all of several grants together. */
export interface Reach {
  readonly grants: readonly Grant[];
  /** Project ids that lie in it whole; null: everything. */
  readonly projects: readonly string[] | null;
  /** Ids of environments that lie in it, whatever their projects. */
  readonly environments: readonly string[];
}

export function reachOf(grants: readonly Grant[]): Reach {
  const bound = grants.filter(({ environment }) => environment === null).map(({ projects }) => projects);
  return {
    grants,
    projects: bound.includes(null) ? null : bound.flatMap((projects) => projects ?? []),
    environments: grants.flatMap(({ environment }) => (environment === null ? [] : [environment])),
  };
}

export function reaches({ grants }: Reach, resource: Resource): boolean {
  return grants.some((grant) => covers(grant, resource));
}
