import type { Refusal } from '@keyhold/protocol/errors';
import type { Token } from '@keyhold/protocol/operations/access';
import type { Scope } from '@keyhold/protocol/state';
import type { TokenRow } from '../database/schema.ts';
import type { Principal } from './principal.ts';

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
  environmentId(principal: Principal, qualifiedName: string): Promise<string | Refusal>;
  names(bound: readonly Pick<TokenRow, 'projects' | 'environment_id'>[]): Promise<PlaceNames>;
}

export function showToken(row: TokenRow, names: PlaceNames, nowMs: number): Token {
  const projects = row.projects === null ? null : (JSON.parse(row.projects) as string[]);
  const over = row.state === 'active' && row.expires_at !== null && nowMs >= row.expires_at;
  return {
    id: row.id,
    name: row.name,
    scopes: JSON.parse(row.scopes) as Scope[],
    projects: projects?.map((id) => names.projects.get(id) ?? id) ?? null,
    environment:
      row.environment_id === null ? null : (names.environments.get(row.environment_id) ?? row.environment_id),
    hint: row.hint,
    state: over ? 'deactivated' : row.state,
    expiresAt: row.expires_at === null ? null : new Date(row.expires_at).toISOString(),
    createdAt: new Date(row.created_at).toISOString(),
  };
}
