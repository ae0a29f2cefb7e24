import type { Token } from '@keyhold/protocol/operations/access';
import type { Scope } from '@keyhold/protocol/state';
import type { TokenRow } from '../database/schema.ts';

/** Names that tokens are shown with, by id. */
export interface PlaceNames {
  readonly projects: ReadonlyMap<string, string>;
  /** `project/environment` */
  readonly environments: ReadonlyMap<string, string>;
}

export function showToken(row: TokenRow, names: PlaceNames, nowMs: number): Token {
  const projects = row.projects === null ? null : (JSON.parse(row.projects) as string[]);
  const over = row.state === 'active' && row.expires_at !== null && nowMs >= row.expires_at;
  return {
    id: row.id,
    name: row.name,
    scopes: JSON.parse(row.scopes) as Scope[],
    projects: projects?.map((id) => names.projects.get(id) ?? id) ?? null,
    environment: row.environment_id === null ? null : (names.environments.get(row.environment_id) ?? row.environment_id),
    hint: row.hint,
    state: over ? 'deactivated' : row.state,
    expiresAt: row.expires_at === null ? null : new Date(row.expires_at).toISOString(),
    createdAt: new Date(row.created_at).toISOString(),
  };
}
