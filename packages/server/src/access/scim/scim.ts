import type { ScimGroupRow, ScimUserRow } from '../../database/sign-on-rows.ts';

/** SCIM 2.0, as far as people and groups need it (RFC 7643, RFC 7644). */
export const SCHEMAS = {
  user: 'urn:ietf:params:scim:schemas:core:2.0:User',
  group: 'urn:ietf:params:scim:schemas:core:2.0:Group',
  list: 'urn:ietf:params:scim:api:messages:2.0:ListResponse',
  patch: 'urn:ietf:params:scim:api:messages:2.0:PatchOp',
  error: 'urn:ietf:params:scim:api:messages:2.0:Error',
} as const;

/** Who it is, as a provider says it. */
export interface ScimUser {
  readonly userName: string;
  readonly externalId: string | null;
  readonly name: string;
  readonly active: boolean;
}

export interface ScimGroup {
  readonly displayName: string;
  readonly externalId: string | null;
  /** Ids of users, sorted, each once. */
  readonly members: readonly string[];
}

const MAX_MEMBERS = 20_000;
const MAX_TEXT = 255;
const MAX_ID = 60;

type Attributes = Readonly<Record<string, unknown>>;

/** Attributes are named in any case (RFC 7643 §2.1); those that we know nothing of are left alone. */
export function attribute(attributes: Attributes, name: string): unknown {
  const key = Object.keys(attributes).find((one) => one.toLowerCase() === name.toLowerCase());
  return key === undefined ? undefined : attributes[key];
}

/** What is left out of `active` stays as it was. @throws ScimError where the body is no such user */
export function readUser(body: Attributes, wasActive: boolean): ScimUser {
  const userName = readText(attribute(body, 'userName'), 'userName');
  if (userName === null) throw new ScimError('invalidValue', 'userName is missing.');
  const externalId = readText(attribute(body, 'externalId'), 'externalId');
  return {
    userName,
    externalId,
    name: nameIn(body) ?? userName,
    active: readActive(attribute(body, 'active') ?? wasActive),
  };
}

/** @throws ScimError where the body is no such group */
export function readGroup(body: Attributes): ScimGroup {
  const displayName = readText(attribute(body, 'displayName'), 'displayName');
  if (displayName === null) throw new ScimError('invalidValue', 'displayName is missing.');
  const externalId = readText(attribute(body, 'externalId'), 'externalId');
  return { displayName, externalId, members: readMembers(attribute(body, 'members') ?? []) };
}

/** @throws ScimError */
export function refuseTooMany(members: number): void {
  if (members > MAX_MEMBERS) throw new ScimError('tooMany', `${MAX_MEMBERS} members are the most.`, 413);
}

/** Ids in a list of members, or in one. */
export function readMembers(value: unknown): readonly string[] {
  const items = Array.isArray(value) ? value : [value];
  refuseTooMany(items.length);
  const ids = items.map((item) => {
    const id = typeof item === 'object' && item !== null ? attribute(item as Attributes, 'value') : item;
    if (typeof id === 'string' && id.length <= MAX_ID) return id;
    throw new ScimError('invalidValue', 'A member is {"value": "its id"}.');
  });
  return [...new Set(ids)].sort();
}

/** What somebody is called, however it is said. */
export function nameIn(body: Attributes): string | null {
  const named = attribute(body, 'name');
  const name = typeof named === 'object' && named !== null ? (named as Attributes) : {};
  const parts = ['givenName', 'familyName'].map((part) => attribute(name, part)).filter(isText);
  const said = [attribute(body, 'displayName'), attribute(name, 'formatted'), parts.join(' ')];
  return readText(said.find(isText), 'displayName');
}

const isText = (value: unknown): value is string => typeof value === 'string' && value.trim() !== '';

/** Null where there is none. */
export function readText(value: unknown, name: string): string | null {
  if (value === undefined || value === null || value === '') return null;
  if (typeof value !== 'string' || value.length > MAX_TEXT || /\p{Cc}/u.test(value) || !value.isWellFormed())
    throw new ScimError('invalidValue', `${name} is a text of up to ${MAX_TEXT} characters.`);
  return value;
}

/** Some say it in words. */
export function readActive(value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  if (typeof value === 'string' && /^(true|false)$/i.test(value)) return value.toLowerCase() === 'true';
  throw new ScimError('invalidValue', 'active is true or false.');
}

type ScimType = 'invalidFilter' | 'invalidPath' | 'invalidSyntax' | 'invalidValue' | 'uniqueness' | 'tooMany';

/** A refusal in SCIM's words (RFC 7644 §3.12). */
export class ScimError extends Error {
  override readonly name = 'ScimError';
  readonly scimType: ScimType;
  readonly status: number;

  constructor(scimType: ScimType, detail: string, status = scimType === 'uniqueness' ? 409 : 400) {
    super(detail);
    this.scimType = scimType;
    this.status = status;
  }
}

export const taken = () => new ScimError('uniqueness', 'There is one of this name, or for this person, already.');
export const putOut = () =>
  new ScimError('uniqueness', 'He was off-boarded here: he does not come back by a provider.');
export const notThere = () => new ScimError('invalidValue', 'There is no such resource.', 404);

/** What a filter asks for: one attribute to be equal to something. */
export interface ScimFilter {
  readonly attribute: string;
  readonly value: string;
}

const EQUALS = /^\s*([A-Za-z]+)\s+eq\s+("(?:[^"\\]|\\.)*")\s*$/i;

/** @throws ScimError for whatever is more than that */
export function readFilter(text: unknown, known: readonly string[]): ScimFilter | null {
  if (text === undefined) return null;
  const [, name = '', quoted = ''] = (typeof text === 'string' ? EQUALS.exec(text) : null) ?? [];
  const attribute = known.find((one) => one.toLowerCase() === name.toLowerCase());
  try {
    const value = attribute === undefined ? '' : (JSON.parse(quoted) as string);
    if (attribute !== undefined && !/\p{Cc}/u.test(value) && value.isWellFormed()) return { attribute, value };
  } catch {
    // Said below.
  }
  throw new ScimError('invalidFilter', `A filter is like: ${known[0]} eq "…", of ${known.join(', ')}.`);
}

const meta = (kind: 'User' | 'Group', { id, created_at, updated_at }: ScimUserRow | ScimGroupRow, base: string) => ({
  resourceType: kind,
  created: new Date(created_at).toISOString(),
  lastModified: new Date(updated_at).toISOString(),
  location: `${base}/${kind}s/${id}`,
});

export function showUser(row: ScimUserRow & { name: string; person_state: string }, base: string) {
  // Whom somebody here put out is not active, whatever the provider last said.
  const active = row.active === 1 && row.person_state === 'active';
  return {
    schemas: [SCHEMAS.user],
    ...{ id: row.id, userName: row.user_name, displayName: row.name, active },
    ...(row.external_id === null ? {} : { externalId: row.external_id }),
    meta: meta('User', row, base),
  };
}

export function membersOf({ members }: Pick<ScimGroupRow, 'members'>): readonly string[] {
  return JSON.parse(members) as string[];
}

export function showGroup(row: ScimGroupRow, withMembers: boolean, base: string) {
  const members = membersOf(row).map((value) => ({ value, type: 'User', $ref: `${base}/Users/${value}` }));
  return {
    schemas: [SCHEMAS.group],
    ...{ id: row.id, displayName: row.display_name },
    ...(row.external_id === null ? {} : { externalId: row.external_id }),
    ...(withMembers ? { members } : {}),
    meta: meta('Group', row, base),
  };
}
