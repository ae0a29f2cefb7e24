import { type Static, Type } from 'typebox';
import { defineOperation } from '../operation.ts';
import { ROLES } from '../role.ts';
import { Closed, IdOf, Name, Nullable, Page, PageQuery, Slug, Time } from './shapes.ts';

export const PERSON_STATES = ['invited', 'active', 'suspended', 'removed'] as const;

const QualifiedName = Type.String({
  maxLength: 127,
  pattern: '^[a-z0-9-]{1,63}/[a-z0-9-]{1,63}$',
  description: '`project/environment`; instead of `project`.',
});

export const RoleGrantShape = Closed({
  id: IdOf('roleGrant'),
  role: Type.String(),
  project: Nullable(Slug),
  environment: Nullable(Type.String({ description: '`project/environment`' })),
  reason: Type.String(),
  expiresAt: Nullable(Time),
  grantedBy: Type.String({ description: 'Id of whoever gave it.' }),
  createdAt: Time,
});
export type RoleGrant = Static<typeof RoleGrantShape>;

export const PersonShape = Closed({
  id: IdOf('person'),
  name: Name,
  state: Type.Enum([...PERSON_STATES]),
  passkeys: Type.Integer({ minimum: 0 }),
  password: Type.Boolean({ description: 'Signs in with a password and an authenticator app.' }),
  roles: Type.Array(RoleGrantShape, { description: 'Those that are neither ended nor over.' }),
  createdAt: Time,
});
export type Person = Static<typeof PersonShape>;

/** A role, and where: of the installation as a whole when neither project nor environment is given. */
export const RoleGiven = {
  role: { ...Slug, description: `${ROLES.join(', ')}, or the name of a custom one.` },
  project: Type.Optional(Slug),
  environment: Type.Optional(QualifiedName),
  expiresAt: Type.Optional(Time),
  reason: { ...Name, description: 'Why; for whoever reviews it.' },
};

const Invited = {
  person: PersonShape,
  secret: Type.Optional(Type.String({ description: 'Shown in this answer only.' })),
  url: Type.Optional(
    Type.String({ description: 'With it, where the person enrols a passkey, once, within 72 hours.' }),
  ),
  secretShown: Type.Optional(Type.Literal(true)),
};

/** They are not his: whatever uses them goes on, until somebody ends them. */
const Left = {
  tokens: Type.Array(IdOf('token'), { description: 'Tokens that he made, and that still open something.' }),
  workloads: Type.Array(IdOf('workload'), { description: 'Workloads that he trusted, and that still are.' }),
};

const Ways = {
  allowPassword: Type.Optional(
    Type.Boolean({ default: false, description: 'A password and an authenticator app will do, instead of a passkey.' }),
  ),
};

const PersonParams = Closed({ id: IdOf('person') });

export const invitePerson = defineOperation({
  id: 'invite-person',
  asks: [
    { action: 'people.invite', at: 'installation' },
    { action: 'roles.grant', at: 'place' },
  ],
  method: 'POST',
  path: '/v1/people',
  tag: 'People',
  summary: 'Invite a person, with a role; the address to enrol at is shown in this answer only',
  body: Closed({ name: Name, ...RoleGiven, ...Ways }),
  status: 201,
  response: Closed(Invited),
  errors: ['CONFIRMATION_REQUIRED', 'PROJECT_NOT_FOUND', 'ENVIRONMENT_NOT_FOUND'],
  idempotent: true,
});

export const listPeople = defineOperation({
  id: 'list-people',
  asks: [{ action: 'people.read', at: 'installation' }],
  method: 'GET',
  path: '/v1/people',
  tag: 'People',
  summary: 'List people and their roles, newest first',
  query: Closed(PageQuery),
  status: 200,
  response: Page(PersonShape),
  errors: ['INVALID_CURSOR'],
});

export const getPerson = defineOperation({
  id: 'get-person',
  asks: [{ action: 'people.read', at: 'installation' }],
  method: 'GET',
  path: '/v1/people/{id}',
  tag: 'People',
  summary: 'Show a person and his roles, each with its id, reason and end',
  params: PersonParams,
  status: 200,
  response: Closed({ person: PersonShape }),
  errors: ['PERSON_NOT_FOUND'],
});

export const reinvitePerson = defineOperation({
  id: 'reinvite-person',
  asks: [{ action: 'people.invite', at: 'installation' }],
  method: 'POST',
  path: '/v1/people/{id}/invite',
  tag: 'People',
  summary: 'Let a person enrol anew, who lost his passkeys: those that he has, and his sessions, end when he does',
  params: PersonParams,
  body: Closed(Ways),
  status: 200,
  response: Closed(Invited),
  errors: ['CONFIRMATION_REQUIRED', 'PERSON_NOT_FOUND', 'ILLEGAL_TRANSITION', 'LAST_OWNER'],
});

const ofState = (verb: 'suspend' | 'resume', summary: string) =>
  ({
    method: 'POST',
    path: `/v1/people/{id}/${verb}`,
    tag: 'People',
    summary,
    params: PersonParams,
    status: 200,
    response: Closed({ person: PersonShape, ...Left }),
    errors: ['PERSON_NOT_FOUND', 'ILLEGAL_TRANSITION', 'LAST_OWNER', 'CONFIRMATION_REQUIRED'],
  }) as const;

export const suspendPerson = defineOperation({
  id: 'suspend-person',
  asks: [{ action: 'people.suspend', at: 'installation' }],
  ...ofState('suspend', 'Suspend a person: his sessions end, and he cannot sign in'),
});

export const resumePerson = defineOperation({
  id: 'resume-person',
  asks: [{ action: 'people.resume', at: 'installation' }],
  ...ofState('resume', 'Let a suspended person sign in again; whoever does it confirms it'),
});

export const removePerson = defineOperation({
  id: 'remove-person',
  asks: [{ action: 'people.remove', at: 'installation' }],
  method: 'DELETE',
  path: '/v1/people/{id}',
  tag: 'People',
  summary: 'Remove a person for good: sessions, passkeys, roles and invitations end',
  params: PersonParams,
  status: 200,
  response: Closed({ person: PersonShape, ...Left }),
  errors: ['PERSON_NOT_FOUND', 'LAST_OWNER'],
});

export const grantRole = defineOperation({
  id: 'grant-role',
  asks: [{ action: 'roles.grant', at: 'place' }],
  method: 'POST',
  path: '/v1/people/{id}/roles',
  tag: 'People',
  summary: 'Give a person a role at a place; nobody gives more than he has, nor to himself',
  params: PersonParams,
  body: Closed(RoleGiven),
  status: 201,
  response: Closed({ grant: RoleGrantShape }),
  errors: [
    'CONFIRMATION_REQUIRED',
    'PERSON_NOT_FOUND',
    'PROJECT_NOT_FOUND',
    'ENVIRONMENT_NOT_FOUND',
    'ILLEGAL_TRANSITION',
  ],
  idempotent: true,
});

export const endRole = defineOperation({
  id: 'end-role',
  asks: [{ action: 'roles.end', at: 'place' }],
  method: 'DELETE',
  path: '/v1/roles/{id}',
  tag: 'People',
  summary: 'End a role that a person has; the answer shows those that he still has where you may end roles',
  params: Closed({ id: IdOf('roleGrant') }),
  status: 200,
  response: Closed({ person: PersonShape }),
  errors: ['ROLE_NOT_FOUND', 'LAST_OWNER'],
});
