import { type PermissionExpression, parsePermissionExpression } from '@keyhold/protocol/permission';
import { flatString } from './flat-string.ts';

/**
 * Every permission that this process has met, numbered. A key's permissions are then one short string, a code unit
 * each: with a million keys, sets of strings would be most of the memory.
 */
const names: string[] = [];
const numbers = new Map<string, number>();
/** A code unit's worth; an installation has a few hundred permissions. Beyond it a key holds its list itself. */
const MAX_NUMBERED = 0xffff;

function numberOf(permission: string): number | null {
  const known = numbers.get(permission);
  if (known !== undefined) return known;
  if (names.length >= MAX_NUMBERED) return null;
  numbers.set(permission, names.length);
  return names.push(permission) - 1;
}

/** Packed permissions; a list where they could not be numbered. */
export type PackedPermissions = string | readonly string[];

export function packPermissions(list: readonly string[]): PackedPermissions {
  let packed = '';
  for (const permission of list) {
    const number = numberOf(permission);
    if (number === null) return list;
    packed += String.fromCharCode(number);
  }
  return flatString(packed);
}

export function unpackPermissions(packed: PackedPermissions): readonly string[] {
  if (typeof packed !== 'string') return packed;
  const list: string[] = [];
  for (let i = 0; i < packed.length; i++) list.push(names[packed.charCodeAt(i)] as string);
  return list;
}

/** One concrete permission that an expression names. */
export interface RequiredPermission {
  readonly resource: string;
  readonly action: string;
}

/** A required permission with everything that grants it: itself and its wildcards. */
class Grantable implements RequiredPermission {
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
    if (typeof granted !== 'string') return this.#granting.some((permission) => granted.includes(permission));
    // A wildcard that no key had when this was compiled may have got its number since.
    if (this.#knownNames !== names.length) this.#renumber();
    const numbered = this.#numbers;
    for (let i = 0; i < granted.length; i++) {
      const number = granted.charCodeAt(i);
      for (let j = 0; j < numbered.length; j++) if (numbered[j] === number) return true;
    }
    return false;
  }

  #renumber(): void {
    this.#numbers = this.#granting.flatMap((permission) => numbers.get(permission) ?? []);
    this.#knownNames = names.length;
  }
}

/** A required expression, compiled once and asked for every request. */
export interface Requirement {
  readonly permissions: readonly RequiredPermission[];
  readonly isMetBy: (granted: PackedPermissions) => boolean;
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
): (granted: PackedPermissions) => boolean {
  if (expression.kind === 'permission') {
    const required = new Grantable(expression.resource, expression.action);
    seen.push(required);
    return (granted) => required.isIn(granted);
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
