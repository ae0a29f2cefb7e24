import { type Static, Type } from 'typebox';
import { DialectSettings } from '../dialects/settings.ts';
import { defineOperation } from '../operation.ts';
import { PREFIX_PATTERN } from '../credential-format.ts';
import { ENVIRONMENT_KINDS } from '../state.ts';
import {
  BarrierShape,
  Closed,
  ExternalId,
  IdOf,
  Metadata,
  Name,
  Nullable,
  Page,
  PageQuery,
  Permission,
  RateLimits,
  Slug,
  Time,
} from './shapes.ts';

export const ProjectShape = Closed({ id: IdOf('project'), slug: Slug, name: Name, createdAt: Time });
export type Project = Static<typeof ProjectShape>;

export const EnvironmentShape = Closed({
  id: IdOf('environment'),
  project: Slug,
  name: Slug,
  prefix: Type.String(),
  kind: Type.Enum([...ENVIRONMENT_KINDS]),
  leaseSeconds: Type.Integer(),
  afterLease: Type.Enum(['refuse', 'serve']),
  createdAt: Time,
});
export type Environment = Static<typeof EnvironmentShape>;

export const PermissionSettingShape = Closed({
  permission: Permission,
  confirm: Nullable(Type.Literal('online')),
  audit: Nullable(Type.Literal('every-use')),
});
export type PermissionSetting = Static<typeof PermissionSettingShape>;

export const ConsumerShape = Closed({
  id: IdOf('consumer'),
  project: Slug,
  name: Name,
  externalId: Nullable(ExternalId),
  rateLimits: RateLimits,
  metadata: Nullable(Metadata),
  createdAt: Time,
});
export type Consumer = Static<typeof ConsumerShape>;

const ProjectParams = Closed({ slug: Slug });
const EnvironmentParams = Closed({ slug: Slug, name: Slug });

export const createProject = defineOperation({
  id: 'create-project',
  asks: [{ action: 'projects.create', at: 'installation' }],
  method: 'POST',
  path: '/v1/projects',
  tag: 'Projects',
  summary: 'Create a project: one API product that issues keys',
  body: Closed({ slug: Slug, name: Name }),
  status: 201,
  response: ProjectShape,
  errors: ['SLUG_TAKEN'],
  idempotent: true,
});

export const listProjects = defineOperation({
  id: 'list-projects',
  asks: [{ action: 'projects.read', at: 'place' }],
  method: 'GET',
  path: '/v1/projects',
  tag: 'Projects',
  summary: 'List projects',
  query: Closed(PageQuery),
  status: 200,
  response: Page(ProjectShape),
  errors: ['INVALID_CURSOR'],
});

export const createEnvironment = defineOperation({
  id: 'create-environment',
  asks: [{ action: 'environments.create', at: 'project' }],
  method: 'POST',
  path: '/v1/projects/{slug}/environments',
  tag: 'Environments',
  summary: 'Create an environment with its own key prefix',
  params: ProjectParams,
  body: Closed({
    name: Slug,
    prefix: Type.String({ pattern: PREFIX_PATTERN, description: 'Unique in the installation; starts every key.' }),
    kind: Type.Optional(Type.Enum([...ENVIRONMENT_KINDS], { default: 'production' })),
    leaseSeconds: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 300, default: 30, description: 'How long a verifier decides alone.' }),
    ),
    afterLease: Type.Optional(
      Type.Enum(['refuse', 'serve'], {
        default: 'refuse',
        description: '`serve`: verifiers go on for 24 hours after their lease, and mark such verdicts `stale`.',
      }),
    ),
  }),
  status: 201,
  response: EnvironmentShape,
  errors: ['PROJECT_NOT_FOUND', 'ENVIRONMENT_EXISTS', 'PREFIX_TAKEN'],
  idempotent: true,
});

export const listEnvironments = defineOperation({
  id: 'list-environments',
  asks: [{ action: 'environments.read', at: 'project' }],
  method: 'GET',
  path: '/v1/projects/{slug}/environments',
  tag: 'Environments',
  summary: 'List the environments of a project',
  params: ProjectParams,
  query: Closed(PageQuery),
  status: 200,
  response: Page(EnvironmentShape),
  errors: ['PROJECT_NOT_FOUND', 'INVALID_CURSOR'],
});

export const setPermission = defineOperation({
  id: 'set-permission',
  asks: [{ action: 'permissions.set', at: 'environment' }],
  method: 'PUT',
  path: '/v1/projects/{slug}/environments/{name}/permissions/{permission}',
  tag: 'Environments',
  summary: 'Set how uses of a permission are confirmed and audited; the strictest of all required ones applies',
  params: Closed({ slug: Slug, name: Slug, permission: Permission }),
  body: Closed({
    confirm: Type.Optional(Nullable(Type.Literal('online'))),
    audit: Type.Optional(Nullable(Type.Literal('every-use'))),
  }),
  status: 200,
  response: Closed({ setting: PermissionSettingShape, barrier: BarrierShape }),
  errors: ['CONFIRMATION_REQUIRED', 'PROJECT_NOT_FOUND', 'ENVIRONMENT_NOT_FOUND', 'ROW_TAMPERED'],
});

export const listPermissions = defineOperation({
  id: 'list-permissions',
  asks: [{ action: 'permissions.read', at: 'environment' }],
  method: 'GET',
  path: '/v1/projects/{slug}/environments/{name}/permissions',
  tag: 'Environments',
  summary: 'List the permission settings of an environment',
  params: EnvironmentParams,
  query: Closed(PageQuery),
  status: 200,
  response: Page(PermissionSettingShape),
  errors: ['PROJECT_NOT_FOUND', 'ENVIRONMENT_NOT_FOUND', 'INVALID_CURSOR'],
});

export const SigningShape = Closed({
  dialects: Type.Array(DialectSettings, { maxItems: 10, description: 'In the order in which they are tried.' }),
  replay: Type.Enum(['shared', 'verifier'], {
    description:
      'Who remembers what was sent already: a store that all verifiers share, or each by itself, exact only where there is one: else the alarm REPLAY_NOT_EXACT is raised.',
  }),
  replayReads: Type.Enum(['refuse', 'allow'], {
    description: 'What becomes of requests that only read while that store cannot be asked.',
  }),
});
export type Signing = Static<typeof SigningShape>;

export const setSigning = defineOperation({
  id: 'set-signing',
  asks: [{ action: 'signing.set', at: 'environment' }],
  method: 'PUT',
  path: '/v1/projects/{slug}/environments/{name}/signing',
  tag: 'Environments',
  summary: 'Set how requests may be signed, and who remembers them; waits for the barrier',
  params: EnvironmentParams,
  body: Closed({
    dialects: SigningShape.properties.dialects,
    replay: Type.Optional({ ...SigningShape.properties.replay, default: 'shared' }),
    replayReads: Type.Optional({ ...SigningShape.properties.replayReads, default: 'refuse' }),
  }),
  status: 200,
  response: Closed({ signing: SigningShape, barrier: BarrierShape }),
  errors: ['CONFIRMATION_REQUIRED', 'PROJECT_NOT_FOUND', 'ENVIRONMENT_NOT_FOUND', 'ROW_TAMPERED'],
});

export const getSigning = defineOperation({
  id: 'get-signing',
  asks: [{ action: 'signing.read', at: 'environment' }],
  method: 'GET',
  path: '/v1/projects/{slug}/environments/{name}/signing',
  tag: 'Environments',
  summary: 'Show how requests may be signed',
  params: EnvironmentParams,
  status: 200,
  response: SigningShape,
  errors: ['PROJECT_NOT_FOUND', 'ENVIRONMENT_NOT_FOUND'],
});

export const createConsumer = defineOperation({
  id: 'create-consumer',
  asks: [{ action: 'consumers.create', at: 'project' }],
  method: 'POST',
  path: '/v1/consumers',
  tag: 'Consumers',
  summary: 'Create a consumer: a customer, bot, service or AI agent that holds keys',
  body: Closed({
    project: Slug,
    name: Name,
    externalId: Type.Optional(ExternalId),
    rateLimits: Type.Optional(RateLimits),
    metadata: Type.Optional(Metadata),
  }),
  status: 201,
  response: ConsumerShape,
  errors: ['PROJECT_NOT_FOUND', 'EXTERNAL_ID_TAKEN'],
  idempotent: true,
});

export const listConsumers = defineOperation({
  id: 'list-consumers',
  asks: [{ action: 'consumers.read', at: 'project' }],
  method: 'GET',
  path: '/v1/consumers',
  tag: 'Consumers',
  summary: 'List and search consumers',
  query: Closed({
    project: Type.Optional(Slug),
    q: Type.Optional(Type.String({ minLength: 1, maxLength: 100, description: 'Part of name or external id.' })),
    ...PageQuery,
  }),
  status: 200,
  response: Page(ConsumerShape),
  errors: ['PROJECT_NOT_FOUND', 'INVALID_CURSOR'],
});

export const getConsumer = defineOperation({
  id: 'get-consumer',
  asks: [{ action: 'consumers.read', at: 'project' }],
  method: 'GET',
  path: '/v1/consumers/{id}',
  tag: 'Consumers',
  summary: 'Show one consumer',
  params: Closed({ id: IdOf('consumer') }),
  status: 200,
  response: ConsumerShape,
  errors: ['CONSUMER_NOT_FOUND'],
});
