import { type PermissionExpression, parsePermissionExpression } from '@keyhold/protocol/permission';

/** What a key was granted, compiled; keys with the same list share one. */
export class GrantedPermissions {
  readonly list: readonly string[];
  readonly #exact = new Set<string>();
  readonly #anyActionOf = new Set<string>();
  readonly #anyResourceWith = new Set<string>();
  #everything = false;

  constructor(list: readonly string[]) {
    this.list = list;
    for (const permission of list) {
      const colon = permission.indexOf(':');
      const resource = permission.slice(0, colon);
      const action = permission.slice(colon + 1);
      if (resource === '*' && action === '*') this.#everything = true;
      else if (action === '*') this.#anyActionOf.add(resource);
      else if (resource === '*') this.#anyResourceWith.add(action);
      else this.#exact.add(permission);
    }
  }

  /** True when the concrete permission is granted, by itself or by a wildcard. */
  includes(required: RequiredPermission): boolean {
    return (
      this.#exact.has(required.text) ||
      this.#anyActionOf.has(required.resource) ||
      this.#anyResourceWith.has(required.action) ||
      this.#everything
    );
  }
}

/** One concrete permission that an expression names. */
export interface RequiredPermission {
  readonly text: string;
  readonly resource: string;
  readonly action: string;
}

/** A required expression, compiled once and asked for every request. */
export interface Requirement {
  readonly permissions: readonly RequiredPermission[];
  readonly isMetBy: (granted: GrantedPermissions) => boolean;
}

/** Compiles an expression; null when it isn't one. */
export function compileRequirement(text: string): Requirement | null {
  const expression = parsePermissionExpression(text);
  if ('error' in expression) return null;
  const permissions: RequiredPermission[] = [];
  return { isMetBy: compile(expression, permissions), permissions };
}

function compile(
  expression: PermissionExpression,
  seen: RequiredPermission[],
): (granted: GrantedPermissions) => boolean {
  if (expression.kind === 'permission') {
    const { resource, action } = expression;
    const required = { text: `${resource}:${action}`, resource, action };
    seen.push(required);
    return (granted) => granted.includes(required);
  }
  const left = compile(expression.left, seen);
  const right = compile(expression.right, seen);
  return expression.kind === 'and'
    ? (granted) => left(granted) && right(granted)
    : (granted) => left(granted) || right(granted);
}

/** Distinct expressions that are kept compiled; an application has a handful, a hostile caller any number. */
const MAX_COMPILED = 1000;

/** Remembers compiled expressions, within a bound. */
export class Requirements {
  readonly #compiled = new Map<string, Requirement | null>();

  get(text: string): Requirement | null {
    const known = this.#compiled.get(text);
    if (known !== undefined) return known;
    if (this.#compiled.size >= MAX_COMPILED) this.#compiled.clear();
    const requirement = compileRequirement(text);
    this.#compiled.set(text, requirement);
    return requirement;
  }
}
