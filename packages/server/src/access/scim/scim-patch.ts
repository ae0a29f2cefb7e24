import * as scim from './scim.ts';
import type { ScimGroup, ScimUser } from './scim.ts';

type Attributes = Readonly<Record<string, unknown>>;

interface Operation {
  readonly op: 'add' | 'replace' | 'remove';
  /** Lower case, without the schema that it may be named with. */
  readonly path: string;
  /** As it was written: ids in it have a case. */
  readonly written: string;
  readonly value: unknown;
}

const MAX_OPERATIONS = 1_000;
const CORE = /^urn:ietf:params:scim:schemas:core:2\.0:(?:User|Group):/i;

/** Reads a PATCH (RFC 7644 §3.5.2), also as some write it: in other case, with the schema's name. @throws ScimError */
export function readOperations(body: Attributes): readonly Operation[] {
  const list = scim.attribute(body, 'Operations');
  if (!Array.isArray(list) || list.length > MAX_OPERATIONS)
    throw new scim.ScimError('invalidSyntax', `Operations is a list of up to ${MAX_OPERATIONS}.`);
  const operations = list.flatMap((one: unknown) => [...spread(one)]);
  if (operations.length <= MAX_OPERATIONS) return operations;
  throw new scim.ScimError('tooMany', `${MAX_OPERATIONS} changes are the most.`, 413);
}

/** With a path each: without one, each attribute of the value is one (§3.5.2.1). */
function* spread(one: unknown): Generator<Operation> {
  if (typeof one !== 'object' || one === null) throw new scim.ScimError('invalidSyntax', 'An operation is an object.');
  const op = String(scim.attribute(one as Attributes, 'op')).toLowerCase();
  if (op !== 'add' && op !== 'replace' && op !== 'remove')
    throw new scim.ScimError('invalidSyntax', 'op is add, replace or remove.');
  const path = scim.attribute(one as Attributes, 'path') ?? null;
  const value = scim.attribute(one as Attributes, 'value');
  if (typeof path === 'string') yield operation(op, path, value);
  else if (path !== null) throw new scim.ScimError('invalidPath', 'path is a text.');
  else if (typeof value !== 'object' || value === null || Array.isArray(value) || op === 'remove')
    throw new scim.ScimError(op === 'remove' ? 'invalidPath' : 'invalidValue', 'Say which attribute: give a path.');
  else for (const [name, own] of Object.entries(value)) yield operation(op, name, own);
}

function operation(op: Operation['op'], path: string, value: unknown): Operation {
  const written = path.trim().replace(CORE, '');
  return { op, path: written.toLowerCase(), written, value };
}

/** What changes a user so; attributes that we know nothing of change nothing. @throws ScimError, before anything does */
export function patchUser(operations: readonly Operation[]): (before: ScimUser) => ScimUser {
  const changes = operations.map(userChange);
  return (before) => {
    const user = { ...before };
    for (const change of changes) Object.assign(user, change(user));
    return user;
  };
}

function userChange({ op, path, value }: Operation): (user: ScimUser) => Partial<ScimUser> {
  const gone = op === 'remove';
  switch (path) {
    case 'username': {
      const userName = (gone ? null : scim.readText(value, 'userName')) ?? missing('userName');
      return () => ({ userName });
    }
    case 'externalid': {
      const externalId = gone ? null : scim.readText(value, 'externalId');
      return () => ({ externalId });
    }
    case 'displayname':
    case 'name':
    case 'name.formatted': {
      const said = path === 'name' ? { name: value } : { displayName: value };
      const name = gone ? null : scim.nameIn(said);
      return (user) => ({ name: name ?? user.userName });
    }
    case 'active': {
      if (gone || value === null || value === undefined) return missing('active');
      const active = scim.readActive(value);
      return () => ({ active });
    }
    default:
      if (/^(?:username|externalid|displayname|active)\b/.test(path))
        throw new scim.ScimError('invalidPath', 'There is nothing in this attribute.');
      return () => ({});
  }
}

function missing(name: string): never {
  throw new scim.ScimError('invalidValue', `${name} has to be there.`);
}

const ONE_MEMBER = /^members\[\s*value\s+eq\s+"([^"\\]+)"\s*\]$/i;

/** What changes a group, and the ids of members that it names. */
export interface GroupPatch {
  readonly change: (before: ScimGroup) => ScimGroup;
  readonly named: readonly string[];
}

interface Draft {
  displayName: string;
  externalId: string | null;
  readonly members: Set<string>;
}

/** The same of a group. @throws ScimError, before anything changes */
export function patchGroup(operations: readonly Operation[]): GroupPatch {
  const named = new Set<string>();
  const changes = operations.map((one) => groupChange(one, named));
  scim.refuseTooMany(named.size);
  const change = (before: ScimGroup): ScimGroup => {
    const draft: Draft = { ...before, members: new Set(before.members) };
    for (const apply of changes) {
      apply(draft);
      scim.refuseTooMany(draft.members.size);
    }
    const { displayName, externalId, members } = draft;
    return { displayName, externalId, members: [...members].sort() };
  };
  return { change, named: [...named] };
}

function groupChange({ op, path, written, value }: Operation, named: Set<string>): (draft: Draft) => void {
  const one = ONE_MEMBER.exec(written)?.[1];
  if (one !== undefined && op === 'remove') {
    named.add(one);
    return ({ members }) => void members.delete(one);
  }
  switch (path) {
    case 'displayname': {
      const displayName = (op === 'remove' ? null : scim.readText(value, 'displayName')) ?? missing('displayName');
      return (draft) => {
        draft.displayName = displayName;
      };
    }
    case 'externalid': {
      const externalId = op === 'remove' ? null : scim.readText(value, 'externalId');
      return (draft) => {
        draft.externalId = externalId;
      };
    }
    case 'members':
      return memberChange(op, value, named);
    default:
      // A right that is not taken is not answered as if it were.
      if (/^(?:members|displayname|externalid)\b/.test(path))
        throw new scim.ScimError('invalidPath', 'Members are removed by members[value eq "id"], one each.');
      return () => {};
  }
}

function memberChange(op: Operation['op'], value: unknown, named: Set<string>): (draft: Draft) => void {
  // Without a value all of them; some say so which.
  const isAll = op === 'replace' || (op === 'remove' && (value === undefined || value === null));
  const ids = value === undefined || value === null ? [] : scim.readMembers(value);
  for (const id of ids) named.add(id);
  return ({ members }) => {
    if (isAll) members.clear();
    for (const id of ids)
      if (op === 'remove') members.delete(id);
      else members.add(id);
  };
}
