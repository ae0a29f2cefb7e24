import { type PermissionExpression, parsePermissionExpression } from '@keyhold/protocol/permission';

/**
 * Every permission that this process has met, numbered, so that a key's permissions are 16 bits each: with a million
 * keys, sets of strings would be most of the memory.
 */
const names: string[] = [];
const numbers = new Map<string, number>();
/** What 16 bits hold; an installation has a few hundred permissions. Beyond it a key holds its list itself. */
const MAX_NUMBERED = 0xffff;

function numberOf(permission: string): number | null {
  const known = numbers.get(permission);
  if (known !== undefined) return known;
  if (names.length >= MAX_NUMBERED) return null;
  numbers.set(permission, names.length);
  return names.push(permission) - 1;
}

/** Numbers of permissions; names where they could not be numbered. */
export type PackedPermissions = Uint16Array | readonly string[];

export function packPermissions(list: readonly string[]): PackedPermissions {
  const packed: number[] = [];
  for (const permission of list) {
    const number = numberOf(permission);
    if (number === null) return list;
    packed.push(number);
  }
  return Uint16Array.from(packed);
}

export function unpackPermissions(packed: PackedPermissions): readonly string[] {
  return packed instanceof Uint16Array ? unpackRange(packed, 0, packed.length) : packed;
}

/** Names of the permissions whose numbers lie in `units` from `start` to `end`. */
export function unpackRange(units: Uint16Array, start: number, end: number): readonly string[] {
  const list = new Array<string>(end - start);
  for (let i = start; i < end; i++) list[i - start] = names[units[i] as number] as string;
  return list;
}

/** One concrete permission that an expression names. */
export interface RequiredPermission {
  readonly resource: string;
  readonly action: string;
}

/** A required permission with everything that grants it: itself and its wildcards. */
export class Grantable implements RequiredPermission {
  readonly resource: string;
  readonly action: string;
  readonly #granting: readonly string[];
  #numbers: readonly number[] = [];
  #knownNames = -1;

  constructor(resource: string, action: string) {
    this.resource = resource;
    this.action = action;
    this.#granting = [`${resource}:${action}`, `${resource}:*`, `*:${action}`, '*:*'];
  }

  isIn(granted: PackedPermissions): boolean {
    if (granted instanceof Uint16Array) return this.isInRange(granted, 0, granted.length);
    return this.#granting.some((permission) => granted.includes(permission));
  }

  /** True when a number in `units` from `start` to `end` is of a permission that grants this one. */
  isInRange(units: Uint16Array, start: number, end: number): boolean {
    // A wildcard that no key had when this was compiled may have got its number since.
    if (this.#knownNames !== names.length) this.#renumber();
    const numbered = this.#numbers;
    for (let i = start; i < end; i++) {
      const number = units[i];
      for (let j = 0; j < numbered.length; j++) if (numbered[j] === number) return true;
    }
    return false;
  }

  #renumber(): void {
    this.#numbers = this.#granting.flatMap((permission) => numbers.get(permission) ?? []);
    this.#knownNames = names.length;
  }
}

/** Who has permissions. */
export interface Grantee {
  grants(required: Grantable): boolean;
}

/** A required expression, compiled once and asked for every request. */
export interface Requirement {
  readonly permissions: readonly RequiredPermission[];
  readonly isMetBy: (grantee: Grantee) => boolean;
}

/** Compiles an expression; null when it isn't one. */
export function compileRequirement(text: string): Requirement | null {
  const expression = parsePermissionExpression(text);
  if ('error' in expression) return null;
  const permissions: RequiredPermission[] = [];
  return { isMetBy: compile(expression, permissions), permissions };
}

function compile(expression: PermissionExpression, seen: RequiredPermission[]): (grantee: Grantee) => boolean {
  if (expression.kind === 'permission') {
    const required = new Grantable(expression.resource, expression.action);
    seen.push(required);
    return (grantee) => grantee.grants(required);
  }
  const left = compile(expression.left, seen);
  const right = compile(expression.right, seen);
  return expression.kind === 'and'
    ? (grantee) => left(grantee) && right(grantee)
    : (grantee) => left(grantee) || right(grantee);
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
