import { ROLES, type Role } from '@keyhold/protocol/role';
import type { Scope } from '@keyhold/protocol/state';
import type { Action } from './authorise.ts';

/** A role that somebody made: a name for a set of actions. */
export interface CustomRole {
  readonly name: string;
  readonly actions: readonly Action[];
}

/** What opens actions to whoever holds it: a scope of a token, a role of a person. */
export type Opener = Scope | Role | CustomRole;

export function nameOf(opener: Opener): string {
  return typeof opener === 'object' ? opener.name : opener;
}

/** Roles and scopes share no name. */
export function isRole(opener: Opener): boolean {
  return typeof opener === 'object' || isBuiltIn(opener);
}

export function isBuiltIn(name: string): name is Role {
  return (ROLES as readonly string[]).includes(name);
}
