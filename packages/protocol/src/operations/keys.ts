import { type Static, Type } from 'typebox';
import { defineOperation } from '../operation.ts';
import { CredentialShape, NewCredential, NextCredential } from './credentials.ts';
import { DeliverTo, DeliveryShape } from './deliveries.ts';
import { REVOCATION_REASONS, STATES } from '../state.ts';
import {
  AddressBook,
  BarrierShape,
  Closed,
  IdOf,
  Metadata,
  Name,
  Networks,
  Nullable,
  Page,
  PageQuery,
  Permissions,
  QuotaShape,
  RateLimits,
  Slug,
  Time,
} from './shapes.ts';

const MAX_TTL_SECONDS = 100 * 365 * 86_400;

const State = Type.Enum([...STATES]);
const Reason = Type.Enum([...REVOCATION_REASONS], { description: 'Words of RFC 5280 §5.3.1.' });
const Ttl = Type.Integer({ minimum: 1, maximum: MAX_TTL_SECONDS });

export const KeyShape = Closed({
  id: IdOf('key'),
  project: Slug,
  environment: Slug,
  consumer: IdOf('consumer'),
  name: Name,
  state: State,
  reason: Nullable(Type.String()),
  permissions: Permissions,
  allowedNetworks: Networks,
  addressBook: AddressBook,
  rateLimits: RateLimits,
  quota: Nullable(QuotaShape),
  metadata: Nullable(Metadata),
  startsAt: Nullable(Time),
  expiresAt: Nullable(Time),
  createdAt: Time,
  credentials: Type.Array(CredentialShape, { description: 'Newest first.' }),
});
export type Key = Static<typeof KeyShape>;

const KeyParams = Closed({ id: IdOf('key') });
const KeyAndBarrier = Closed({ key: KeyShape, barrier: BarrierShape });
const Secret = Type.Optional(
  Type.String({
    description:
      'Shown in this answer only: the whole credential, or what requests are signed with (its id is then their API key). None with a public key.',
  }),
);
const Passphrase = Type.Optional(
  Type.String({ description: 'Of `hmac`, for the dialects that send one; shown in this answer only.' }),
);
const SecretShown = Type.Optional(
  Type.Literal(true, { description: 'This call repeats an earlier one, whose answer carried the secret.' }),
);

export const issueKey = defineOperation({
  id: 'issue-key',
  asks: [{ action: 'keys.issue', at: 'environment' }],
  method: 'POST',
  path: '/v1/keys',
  tag: 'Keys',
  summary: 'Issue a key with its first credential; the secret is shown in this answer only',
  body: Closed({
    project: Slug,
    environment: Slug,
    consumer: IdOf('consumer'),
    name: Name,
    permissions: Permissions,
    allowedNetworks: Type.Optional(Networks),
    addressBook: Type.Optional(AddressBook),
    rateLimits: Type.Optional(RateLimits),
    quota: Type.Optional(QuotaShape),
    startsAt: Type.Optional(Time),
    ttlSeconds: Type.Optional(Ttl),
    expiresAt: Type.Optional(Time),
    metadata: Type.Optional(Metadata),
    credential: Type.Optional(NewCredential),
    deliverTo: Type.Optional(DeliverTo),
  }),
  status: 201,
  response: Closed({
    key: KeyShape,
    credential: CredentialShape,
    secret: Secret,
    passphrase: Passphrase,
    secretShown: SecretShown,
    delivery: Type.Optional(DeliveryShape),
  }),
  errors: [
    'CONFIRMATION_REQUIRED',
    'PROJECT_NOT_FOUND',
    'ENVIRONMENT_NOT_FOUND',
    'CONSUMER_NOT_FOUND',
    'PUBLIC_KEY_TAKEN',
    'POSSESSION_UNPROVEN',
    'RULE_NOT_MET',
    'SEALED',
  ],
  idempotent: true,
});

export const listKeys = defineOperation({
  id: 'list-keys',
  asks: [{ action: 'keys.read', at: 'environment' }],
  method: 'GET',
  path: '/v1/keys',
  tag: 'Keys',
  summary: 'List and search keys, newest first',
  query: Closed({
    project: Type.Optional(Slug),
    environment: Type.Optional(Slug),
    consumer: Type.Optional(IdOf('consumer')),
    state: Type.Optional(State),
    q: Type.Optional(
      Type.String({ minLength: 1, maxLength: 100, description: 'Part of the name, a hint, or a whole id.' }),
    ),
    ...PageQuery,
  }),
  status: 200,
  response: Page(KeyShape),
  errors: ['PROJECT_NOT_FOUND', 'ENVIRONMENT_NOT_FOUND', 'INVALID_CURSOR'],
});

export const getKey = defineOperation({
  id: 'get-key',
  asks: [{ action: 'keys.read', at: 'environment' }],
  method: 'GET',
  path: '/v1/keys/{id}',
  tag: 'Keys',
  summary: 'Show a key, and for each credential when and from where it was last used',
  params: KeyParams,
  status: 200,
  response: KeyShape,
  errors: ['KEY_NOT_FOUND'],
});

export const updateKey = defineOperation({
  id: 'update-key',
  asks: [{ action: 'keys.change', at: 'environment' }],
  method: 'PATCH',
  path: '/v1/keys/{id}',
  tag: 'Keys',
  summary: 'Change settings of a key; what narrows waits for the barrier',
  params: KeyParams,
  body: Type.Object(
    {
      name: Type.Optional(Name),
      permissions: Type.Optional(Permissions),
      allowedNetworks: Type.Optional(Networks),
      addressBook: Type.Optional(AddressBook),
      rateLimits: Type.Optional(RateLimits),
      quota: Type.Optional(Nullable(QuotaShape)),
      startsAt: Type.Optional(Nullable(Time)),
      expiresAt: Type.Optional(Nullable(Time)),
      metadata: Type.Optional(Nullable(Metadata)),
    },
    { additionalProperties: false, minProperties: 1 },
  ),
  status: 200,
  response: Closed({ key: KeyShape, barrier: Type.Optional(BarrierShape) }),
  errors: ['CONFIRMATION_REQUIRED', 'KEY_NOT_FOUND', 'ILLEGAL_TRANSITION', 'RULE_NOT_MET', 'ROW_TAMPERED'],
});

export const rotateKey = defineOperation({
  id: 'rotate-key',
  asks: [{ action: 'keys.rotate', at: 'environment' }],
  method: 'POST',
  path: '/v1/keys/{id}/rotate',
  tag: 'Keys',
  summary: 'Add a credential and give the old one an end; without overlap or with a short one it waits for the barrier',
  params: KeyParams,
  body: Closed({
    overlapSeconds: Type.Integer({ minimum: 0, maximum: MAX_TTL_SECONDS, description: 'How long both are valid.' }),
    credential: Type.Optional(NextCredential),
    deliverTo: Type.Optional(DeliverTo),
  }),
  status: 201,
  response: Closed({
    credential: CredentialShape,
    secret: Secret,
    passphrase: Passphrase,
    secretShown: SecretShown,
    delivery: Type.Optional(DeliveryShape),
    previous: Nullable(CredentialShape),
    barrier: Type.Optional(BarrierShape),
  }),
  errors: [
    'CONFIRMATION_REQUIRED',
    'KEY_NOT_FOUND',
    'ILLEGAL_TRANSITION',
    'PUBLIC_KEY_TAKEN',
    'POSSESSION_UNPROVEN',
    'ROW_TAMPERED',
    'SEALED',
  ],
  idempotent: true,
});

export const suspendKey = defineOperation({
  id: 'suspend-key',
  asks: [{ action: 'keys.suspend', at: 'environment' }],
  method: 'POST',
  path: '/v1/keys/{id}/suspend',
  tag: 'Keys',
  summary: 'Suspend a key; it can be resumed',
  params: KeyParams,
  status: 200,
  response: KeyAndBarrier,
  errors: ['KEY_NOT_FOUND', 'ILLEGAL_TRANSITION', 'ROW_TAMPERED'],
});

export const resumeKey = defineOperation({
  id: 'resume-key',
  asks: [{ action: 'keys.resume', at: 'environment' }],
  method: 'POST',
  path: '/v1/keys/{id}/resume',
  tag: 'Keys',
  summary: 'Resume a suspended key',
  params: KeyParams,
  status: 200,
  response: Closed({ key: KeyShape }),
  errors: ['CONFIRMATION_REQUIRED', 'KEY_NOT_FOUND', 'ILLEGAL_TRANSITION', 'ROW_TAMPERED'],
});

export const revokeKey = defineOperation({
  id: 'revoke-key',
  asks: [{ action: 'keys.revoke', at: 'environment' }],
  method: 'POST',
  path: '/v1/keys/{id}/revoke',
  tag: 'Keys',
  summary: 'Revoke a key with all its credentials; when this returns it is dead everywhere',
  params: KeyParams,
  body: Closed({ reason: Reason }),
  status: 200,
  response: KeyAndBarrier,
  errors: ['KEY_NOT_FOUND', 'ILLEGAL_TRANSITION'],
  takesAway: true,
});

export const revokeKeys = defineOperation({
  id: 'revoke-keys',
  asks: [{ action: 'keys.revoke', at: 'environment' }],
  method: 'POST',
  path: '/v1/keys/revoke',
  tag: 'Keys',
  summary: 'Revoke many keys at once, or all of a consumer; when this returns they are dead everywhere',
  body: Closed({
    keys: Type.Optional(Type.Array(IdOf('key'), { minItems: 1, maxItems: 500, uniqueItems: true })),
    consumer: Type.Optional({ ...IdOf('consumer'), description: 'Instead of `keys`: all of his that you may revoke.' }),
    reason: Reason,
  }),
  status: 200,
  response: Closed({
    revoked: Type.Array(IdOf('key'), {
      description: 'By `consumer` only what this call ended: the barrier waits for what was dead before, too.',
    }),
    entries: Type.Array(Closed({ key: IdOf('key'), sequence: Type.Integer() }), {
      description: 'The entry of each: its receipt proves that the key was revoked.',
    }),
    refused: Type.Array(Closed({ id: IdOf('key'), code: Type.String(), detail: Type.String() })),
    barrier: BarrierShape,
  }),
  errors: ['CONFIRMATION_REQUIRED', 'KEY_NOT_FOUND', 'CONSUMER_NOT_FOUND', 'ILLEGAL_TRANSITION'],
  takesAway: true,
});

export const destroyKey = defineOperation({
  id: 'destroy-key',
  asks: [{ action: 'keys.destroy', at: 'environment' }],
  method: 'POST',
  path: '/v1/keys/{id}/destroy',
  tag: 'Keys',
  summary: 'Destroy a key for good; its credentials are no longer known to any verifier',
  params: KeyParams,
  status: 200,
  response: KeyAndBarrier,
  errors: ['KEY_NOT_FOUND', 'ILLEGAL_TRANSITION'],
  takesAway: true,
});

export const revokeCredential = defineOperation({
  id: 'revoke-credential',
  asks: [{ action: 'keys.revoke', at: 'environment' }],
  method: 'POST',
  path: '/v1/credentials/{id}/revoke',
  tag: 'Keys',
  summary: 'Revoke one credential of a key; when this returns it is dead everywhere',
  params: Closed({ id: IdOf('credential') }),
  body: Closed({ reason: Reason }),
  status: 200,
  response: Closed({ credential: CredentialShape, barrier: BarrierShape }),
  errors: ['CREDENTIAL_NOT_FOUND', 'ILLEGAL_TRANSITION'],
  takesAway: true,
});
