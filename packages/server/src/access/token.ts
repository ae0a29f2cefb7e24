import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Token } from '@keyhold/protocol/operations/access';
import type { Scope } from '@keyhold/protocol/state';
import type { TokenRow } from '../database/schema.ts';
import { workloadOf } from './token-names.ts';
import { type Grant, INSTALLATION, type Principal, type Resource } from './principal.ts';

/** What a token holds, and where. */
export function grantsOfToken(token: TokenRow): readonly Grant[] {
  const binding = {
    projects: token.projects === null ? null : (JSON.parse(token.projects) as string[]),
    environment: token.environment_id,
    expiresAt: token.expires_at,
  };
  return (JSON.parse(token.scopes) as Scope[]).map((opener) => ({ opener, ...binding }));
}

/** Names that tokens are shown with, by id. */
export interface PlaceNames {
  readonly projects: ReadonlyMap<string, string>;
  /** `project/environment` */
  readonly environments: ReadonlyMap<string, string>;
  /** Project ids by environment id. */
  readonly projectOf: ReadonlyMap<string, string>;
}

/** What lies on a higher floor and is handed in: ids and names of the places that tokens are bound to. */
export interface TokenPlaces {
  projectIds(principal: Principal, slugs: readonly string[]): Promise<string[] | Refusal>;
  /** `project/environment` */
  environmentAt(principal: Principal, qualifiedName: string): Promise<Resource | Refusal>;
  names(bound: readonly Pick<TokenRow, 'projects' | 'environment_id'>[]): Promise<PlaceNames>;
}

/** What a token is bound to, by ids; both null: to nothing. */
export interface TokenBinding {
  readonly projects: readonly string[] | null;
  readonly environment: string | null;
  /** All that it covers. */
  readonly at: readonly Resource[];
}

/** Reads a binding that was asked for by names. */
export async function readBinding(
  places: TokenPlaces,
  principal: Principal,
  asked: { readonly projects?: readonly string[]; readonly environment?: string },
): Promise<TokenBinding | Refusal> {
  if (asked.projects !== undefined && asked.environment !== undefined) {
    return refuse('INVALID_INPUT', 'Give either projects or environment.', '/environment');
  }
  if (asked.environment !== undefined) {
    const place = await places.environmentAt(principal, asked.environment);
    return isRefusal(place) ? place : { projects: null, environment: place.environment, at: [place] };
  }
  if (asked.projects === undefined) return { projects: null, environment: null, at: [INSTALLATION] };
  const projects = await places.projectIds(principal, asked.projects);
  if (isRefusal(projects)) return projects;
  return { projects, environment: null, at: projects.map((project) => ({ project, environment: null })) };
}

/** A binding by names; what is gone keeps its id. */
export function showBinding(
  { projects, environment_id }: Pick<TokenRow, 'projects' | 'environment_id'>,
  names: PlaceNames,
) {
  const ids = projects === null ? null : (JSON.parse(projects) as string[]);
  return {
    projects: ids?.map((id) => names.projects.get(id) ?? id) ?? null,
    environment: environment_id === null ? null : (names.environments.get(environment_id) ?? environment_id),
  };
}

export function showToken(row: TokenRow, names: PlaceNames, nowMs: number): Token {
  const over = row.state === 'active' && row.expires_at !== null && nowMs >= row.expires_at;
  return {
    id: row.id,
    name: row.name,
    kind: workloadOf(row) === undefined ? 'created' : 'exchanged',
    scopes: JSON.parse(row.scopes) as Scope[],
    ...showBinding(row, names),
    hint: row.hint,
    state: over ? 'deactivated' : row.state,
    expiresAt: row.expires_at === null ? null : new Date(row.expires_at).toISOString(),
    createdAt: new Date(row.created_at).toISOString(),
  };
}
