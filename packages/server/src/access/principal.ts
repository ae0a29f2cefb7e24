import type { Scope, State } from '@keyhold/protocol/state';

/** Who acts. */
export interface Principal {
  /** Token id. */
  readonly id: string;
  readonly scopes: readonly Scope[];
  /** Project ids that it is bound to; null for all. */
  readonly projects: readonly string[] | null;
  /** Environment id that it is bound to; null for all of its projects. */
  readonly environment: string | null;
  /** Epoch milliseconds; null: no end. */
  readonly expiresAt: number | null;
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

/** True when everything at `resource` lies within what the principal is bound to. */
export function covers(principal: Pick<Principal, 'projects' | 'environment'>, resource: Resource): boolean {
  if (principal.environment !== null) return resource.environment === principal.environment;
  if (principal.projects === null) return true;
  return resource.project !== null && principal.projects.includes(resource.project);
}
