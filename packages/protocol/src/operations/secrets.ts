import { type Static, Type } from 'typebox';
import { defineOperation } from '../operation.ts';
import { DeliverTo, DeliveryShape } from './deliveries.ts';
import { Closed, IdOf, Nullable, Page, PageQuery, Slug, Time } from './shapes.ts';

/** Bytes of a version's data as canonical JSON, at most. */
export const MAX_SECRET_BYTES = 1024 * 1024;
/** Room for a value of that size, however it is escaped. */
const MAX_BODY_BYTES = 4 * MAX_SECRET_BYTES;

export const SecretPath = Type.String({
  minLength: 1,
  maxLength: 512,
  pattern: '^[^/\\x00-\\x1f\\x7f]+(?:/[^/\\x00-\\x1f\\x7f]+)*$',
  description: 'Segments separated by `/`, for example `exchanges/binance/trading`. Never put a secret here.',
});

const VersionNumber = Type.Integer({ minimum: 1, maximum: 2 ** 31 });
const Note = Type.String({ minLength: 1, maxLength: 200 });

/** What people want to know of a secret. None of it is encrypted. */
export const SecretMetadata = Closed({
  provider: Type.Optional(Type.String({ minLength: 1, maxLength: 200, description: 'Whose secret it is.' })),
  owner: Type.Optional(Type.String({ minLength: 1, maxLength: 200, description: 'Who answers for it.' })),
  capabilities: Type.Optional(Type.Array(Note, { maxItems: 50, description: 'What whoever holds it can do.' })),
  usedIn: Type.Optional(Type.Array(Note, { maxItems: 50, description: 'Where it is used.' })),
  rotateBy: Type.Optional({
    ...Time,
    description: 'A new version is due then; storing one sets it anew, or takes it away.',
  }),
  rotateEveryDays: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 3650,
      description: 'Storing a version says so many days later in `rotateBy`.',
    }),
  ),
  custom: Type.Optional(
    Type.Record(Type.String({ pattern: '^[^\\x00-\\x1f\\x7f]{1,128}$' }), Type.String({ maxLength: 512 }), {
      additionalProperties: false,
      maxProperties: 64,
    }),
  ),
});
export type SecretMetadata = Static<typeof SecretMetadata>;

/** Instead of all that is there, but for when a new version is due: what off-boarding says stands until it is named. */
const SecretMetadataChange = Closed({
  ...SecretMetadata.properties,
  rotateBy: Type.Optional({ ...Nullable(Time), description: 'Stays as it is where it is not named; null: not due.' }),
});
export type SecretMetadataChange = Static<typeof SecretMetadataChange>;

export const SecretShape = Closed({
  id: IdOf('secret'),
  project: Slug,
  environment: Slug,
  path: SecretPath,
  version: Type.Integer({ description: 'The newest; 0 while there is none.' }),
  maxVersions: Type.Integer({
    description: 'Versions kept; older ones are destroyed. 0: as many as its environment says, else 10.',
  }),
  casRequired: Type.Boolean({
    description: 'Each write has to name the version that it replaces; its environment may ask for that too.',
  }),
  metadata: SecretMetadata,
  createdAt: Time,
  updatedAt: Time,
});
export type StoredSecret = Static<typeof SecretShape>;

export const SecretVersionShape = Closed({
  version: VersionNumber,
  state: Type.Enum(['live', 'deleted', 'destroyed']),
  createdAt: Time,
  deletedAt: Nullable(Time),
  expiresAt: Nullable(Time),
});
export type SecretVersion = Static<typeof SecretVersionShape>;

const SecretParams = Closed({ id: IdOf('secret') });
/** Not a record by pattern: `.` in a pattern knows no line feed, and what no pattern knows is left out of answers. */
const Data = Type.Unsafe<Record<string, unknown>>({
  type: 'object',
  additionalProperties: true,
  description:
    'Fields of the secret, for example `apiKey` and `apiSecret`; any JSON of numbers that a double holds, 1 MiB at most.',
});

export const storeSecret = defineOperation({
  id: 'store-secret',
  asks: [{ action: 'secrets.write', at: 'secret' }],
  method: 'POST',
  path: '/v1/secrets',
  tag: 'Secrets',
  summary: 'Store a secret, or a new version of it',
  body: Closed({
    project: Slug,
    environment: Slug,
    path: SecretPath,
    data: Data,
    cas: Type.Optional(
      Type.Integer({ minimum: 0, description: 'Only if this is the newest version; 0: only if there is none.' }),
    ),
    ttlSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 * 365 * 86_400 })),
    metadata: Type.Optional(SecretMetadata),
  }),
  maxBodyBytes: MAX_BODY_BYTES,
  carriesSecret: true,
  status: 201,
  response: Closed({ secret: SecretShape, version: SecretVersionShape }),
  errors: [
    ...(['PROJECT_NOT_FOUND', 'ENVIRONMENT_NOT_FOUND', 'CAS_MISMATCH', 'SECRET_TOO_LARGE'] as const),
    ...(['ROW_TAMPERED', 'ENVELOPE_BROKEN', 'SEALED'] as const),
  ],
  idempotent: true,
});

export const listSecrets = defineOperation({
  id: 'list-secrets',
  asks: [{ action: 'secrets.read', at: 'environment' }],
  method: 'GET',
  path: '/v1/secrets',
  tag: 'Secrets',
  summary: 'List secrets of an environment by path',
  query: Closed({
    project: Slug,
    environment: Slug,
    prefix: Type.Optional(Type.String({ minLength: 1, maxLength: 512, description: 'What the path begins with.' })),
    ...PageQuery,
  }),
  status: 200,
  response: Page(SecretShape),
  errors: ['PROJECT_NOT_FOUND', 'ENVIRONMENT_NOT_FOUND', 'INVALID_CURSOR'],
});

export const getSecret = defineOperation({
  id: 'get-secret',
  asks: [{ action: 'secrets.read', at: 'secret' }],
  method: 'GET',
  path: '/v1/secrets/{id}',
  tag: 'Secrets',
  summary: 'Show what is known of a secret, without its data',
  params: SecretParams,
  status: 200,
  response: SecretShape,
  errors: ['SECRET_NOT_FOUND'],
});

export const listSecretVersions = defineOperation({
  id: 'list-secret-versions',
  asks: [{ action: 'secrets.read', at: 'secret' }],
  method: 'GET',
  path: '/v1/secrets/{id}/versions',
  tag: 'Secrets',
  summary: 'List versions of a secret, newest first',
  params: SecretParams,
  query: Closed(PageQuery),
  status: 200,
  response: Page(SecretVersionShape),
  errors: ['SECRET_NOT_FOUND', 'INVALID_CURSOR'],
});

export const updateSecret = defineOperation({
  id: 'update-secret',
  asks: [{ action: 'secrets.write', at: 'secret' }],
  method: 'PATCH',
  path: '/v1/secrets/{id}',
  tag: 'Secrets',
  summary: 'Change what is known of a secret, how many versions are kept, and whether writes are checked',
  params: SecretParams,
  body: Type.Object(
    {
      metadata: Type.Optional(SecretMetadataChange),
      maxVersions: Type.Optional(Type.Integer({ minimum: 0, maximum: 10_000 })),
      casRequired: Type.Optional(Type.Boolean()),
    },
    { additionalProperties: false, minProperties: 1 },
  ),
  status: 200,
  response: SecretShape,
  errors: ['SECRET_NOT_FOUND', 'ROW_TAMPERED'],
});

export const revealSecret = defineOperation({
  id: 'reveal-secret',
  asks: [{ action: 'secrets.reveal', at: 'secret' }],
  method: 'POST',
  path: '/v1/secrets/{id}/reveal',
  tag: 'Secrets',
  summary: 'Reveal one version; the entry that says so is durable before the data leaves',
  params: SecretParams,
  body: Closed({ version: Type.Optional(VersionNumber) }),
  status: 200,
  response: Closed({ secret: SecretShape, version: SecretVersionShape, data: Data }),
  errors: [
    'CONFIRMATION_REQUIRED',
    'SECRET_NOT_FOUND',
    'SECRET_VERSION_GONE',
    'ROW_TAMPERED',
    'ENVELOPE_BROKEN',
    'SEALED',
  ],
});

export const deliverSecret = defineOperation({
  id: 'deliver-secret',
  asks: [{ action: 'secrets.reveal', at: 'secret' }],
  method: 'POST',
  path: '/v1/secrets/{id}/deliver',
  tag: 'Secrets',
  summary: 'Deliver one version to somebody else: by a link that works once, or encrypted to his own key',
  params: SecretParams,
  body: Closed({ version: Type.Optional(VersionNumber), deliverTo: DeliverTo }),
  status: 201,
  response: Closed({ secret: SecretShape, version: SecretVersionShape, delivery: DeliveryShape }),
  errors: [
    'CONFIRMATION_REQUIRED',
    'SECRET_NOT_FOUND',
    'SECRET_VERSION_GONE',
    'ROW_TAMPERED',
    'ENVELOPE_BROKEN',
    'SEALED',
  ],
});

const Versions = Closed({
  versions: Type.Array(VersionNumber, { minItems: 1, maxItems: 50, uniqueItems: true }),
});

/** Deleting, undeleting and destroying differ in nothing but what becomes of the versions. */
function versionsOperation(id: string, word: string, summary: string) {
  return defineOperation({
    id,
    asks: [{ action: word === 'destroy' ? 'secrets.destroy' : 'secrets.write', at: 'secret' }],
    method: 'POST',
    path: `/v1/secrets/{id}/${word}`,
    tag: 'Secrets',
    summary,
    params: SecretParams,
    body: Versions,
    status: 200,
    response: Closed({ secret: SecretShape, versions: Type.Array(SecretVersionShape) }),
    errors: ['SECRET_NOT_FOUND', 'SECRET_VERSION_GONE', 'ROW_TAMPERED'],
  });
}

export const deleteSecretVersions = versionsOperation(
  'delete-secret-versions',
  'delete',
  'Delete versions; they can be undeleted',
);
export const undeleteSecretVersions = versionsOperation(
  'undelete-secret-versions',
  'undelete',
  'Undelete versions that were deleted or have expired',
);
export const destroySecretVersions = versionsOperation(
  'destroy-secret-versions',
  'destroy',
  'Destroy versions for good: their envelopes are gone',
);

export const removeSecret = defineOperation({
  id: 'remove-secret',
  asks: [{ action: 'secrets.destroy', at: 'secret' }],
  method: 'DELETE',
  path: '/v1/secrets/{id}',
  tag: 'Secrets',
  summary: 'Remove a secret with all its versions, for good',
  params: SecretParams,
  status: 200,
  response: Closed({ id: IdOf('secret'), versions: Type.Integer({ description: 'How many were destroyed.' }) }),
  errors: ['SECRET_NOT_FOUND', 'ROW_TAMPERED'],
});
