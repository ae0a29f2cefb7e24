import type { Person, RoleGrant } from '@keyhold/protocol/operations/people';
import type { PersonRow, RoleGrantRow } from '../../database/people-rows.ts';
import type { Role } from '@keyhold/protocol/role';
import type { CustomRole } from '../opener.ts';
import type { Grant, Resource } from '../principal.ts';
import { type PlaceNames, showBinding } from '../token.ts';

/** Each is a row, or two where it was tampered with, of the entry that ends them all; and an entry is bounded. */
export const MAX_ROLES = 15;
export const MAX_SESSIONS = 10;
export const MAX_PASSKEYS = 10;

export const INVITATION_MS = 72 * 3_600_000;

/** What is kept of a place, as tokens keep theirs. */
export function bindingOf({ project_id, environment_id }: Pick<RoleGrantRow, 'project_id' | 'environment_id'>) {
  const projects = project_id === null || environment_id !== null ? null : JSON.stringify([project_id]);
  return { projects, environment_id };
}

export function resourceOf({ project_id, environment_id }: RoleGrantRow): Resource {
  return { project: project_id, environment: environment_id };
}

export function isInForce({ state, expires_at }: RoleGrantRow, nowMs: number): boolean {
  return state === 'active' && (expires_at === null || nowMs < expires_at);
}

/** The role of that name; of a custom one that is not there, or not as it was recorded, one that opens nothing. */
export type RoleNamed = (name: string) => Role | CustomRole;

/** What a role is to whoever asks what may be done. */
export function grantOf({ role, project_id, environment_id, expires_at }: RoleGrantRow, roleNamed: RoleNamed): Grant {
  return {
    opener: roleNamed(role),
    projects: project_id === null || environment_id !== null ? null : [project_id],
    environment: environment_id,
    expiresAt: expires_at,
  };
}

/** Whether it is an owner's, of everything and without an end. */
export function isOwners({ role, project_id, environment_id, expires_at, state }: RoleGrantRow): boolean {
  const everywhere = project_id === null && environment_id === null;
  return role === 'owner' && everywhere && expires_at === null && state === 'active';
}

export function showGrant(row: RoleGrantRow, names: PlaceNames): RoleGrant {
  const { projects, environment } = showBinding(bindingOf(row), names);
  return {
    ...{ id: row.id, role: row.role, project: projects?.[0] ?? null, environment, reason: row.reason },
    expiresAt: row.expires_at === null ? null : new Date(row.expires_at).toISOString(),
    grantedBy: row.granted_by,
    createdAt: new Date(row.created_at).toISOString(),
  };
}

interface Shown {
  readonly passkeys: number;
  readonly password: boolean;
  readonly roles: readonly RoleGrantRow[];
  readonly names: PlaceNames;
}

export function showPerson(
  { id, name, state, created_at }: PersonRow,
  { passkeys, password, roles, names }: Shown,
): Person {
  const shown = roles.map((row) => showGrant(row, names));
  return { id, name, state, passkeys, password, roles: shown, createdAt: new Date(created_at).toISOString() };
}
