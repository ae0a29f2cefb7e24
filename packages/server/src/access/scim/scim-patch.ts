import { attribute, readActive, readMembers, readText, ScimError, type ScimGroup, type ScimUser } from './scim.ts';

type Attributes = Readonly<Record<string, unknown>>;

interface Operation {
  readonly op: 'add' | 'replace' | 'remove';
  readonly path: string | null;
  readonly value: unknown;
}

const MAX_OPERATIONS = 1_000;

/** Reads a PATCH (RFC 7644 §3.5.2); what some write with a capital letter too. @throws ScimError */
export function readOperations(body: Attributes): readonly Operation[] {
  const list = attribute(body, 'Operations');
  if (!Array.isArray(list) || list.length > MAX_OPERATIONS)
    throw new ScimError('invalidSyntax', `Operations is a list of up to ${MAX_OPERATIONS}.`);
  return list.map((one: unknown) => {
    if (typeof one !== 'object' || one === null) throw new ScimError('invalidSyntax', 'An operation is an object.');
    const op = String(attribute(one as Attributes, 'op')).toLowerCase();
    if (op !== 'add' && op !== 'replace' && op !== 'remove')
      throw new ScimError('invalidSyntax', 'op is add, replace or remove.');
    const path = attribute(one as Attributes, 'path') ?? null;
    if (path !== null && typeof path !== 'string') throw new ScimError('invalidPath', 'path is a text.');
    return { op, path, value: attribute(one as Attributes, 'value') };
  });
}

/** Operations with a path each: without one, each attribute of the value is one (§3.5.2.1). */
function* spread(operations: readonly Operation[]): Generator<Operation & { readonly path: string }> {
  for (const { op, path, value } of operations) {
    if (path !== null) yield { op, path, value };
    else if (typeof value !== 'object' || value === null || op === 'remove')
      throw new ScimError(op === 'remove' ? 'invalidPath' : 'invalidValue', 'Say which attribute: give a path.');
    else for (const [name, one] of Object.entries(value)) yield { op, path: name, value: one };
  }
}

/** What a user is after these; attributes that we know nothing of change nothing. @throws ScimError */
export function patchUser(user: ScimUser, operations: readonly Operation[]): ScimUser {
  let { userName, externalId, name, active } = user;
  for (const { op, path, value } of spread(operations)) {
    const gone = op === 'remove';
    switch (path.toLowerCase()) {
      case 'username':
        userName = (gone ? null : readText(value, 'userName')) ?? missing('userName');
        break;
      case 'externalid':
        externalId = gone ? null : readText(value, 'externalId');
        break;
      case 'displayname':
      case 'name.formatted':
        name = (gone ? null : readText(value, path)) ?? userName;
        break;
      case 'active':
        active = gone ? missing('active') : readActive(value);
        break;
    }
  }
  return { userName, externalId, name, active };
}

function missing(name: string): never {
  throw new ScimError('invalidValue', `${name} has to be there.`);
}

const ONE_MEMBER = /^members\[\s*value\s+eq\s+"([^"\\]+)"\s*\]$/i;

/** The same of a group. @throws ScimError */
export function patchGroup(group: ScimGroup, operations: readonly Operation[]): ScimGroup {
  let { displayName, externalId } = group;
  let members = new Set(group.members);
  for (const { op, path, value } of spread(operations)) {
    const one = ONE_MEMBER.exec(path)?.[1];
    if (one !== undefined) {
      if (op !== 'remove') throw new ScimError('invalidPath', 'A member is added or removed, not changed.');
      members.delete(one);
      continue;
    }
    switch (path.toLowerCase()) {
      case 'displayname':
        displayName = (op === 'remove' ? null : readText(value, 'displayName')) ?? missing('displayName');
        break;
      case 'externalid':
        externalId = op === 'remove' ? null : readText(value, 'externalId');
        break;
      case 'members':
        members = changed(members, op, value);
        break;
    }
  }
  return { displayName, externalId, members: readMembers([...members]) };
}

function changed(members: ReadonlySet<string>, op: Operation['op'], value: unknown): Set<string> {
  if (op === 'replace') return new Set(readMembers(value ?? []));
  if (op === 'add') return new Set([...members, ...readMembers(value ?? [])]);
  // Without a value all of them; some say so which.
  const gone = value === undefined || value === null ? members : new Set(readMembers(value));
  return new Set([...members].filter((id) => !gone.has(id)));
}
