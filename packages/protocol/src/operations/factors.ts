import { type Static, Type } from 'typebox';
import { defineOperation } from '../operation.ts';
import { CreatedPasskeyShape } from './passkey-shapes.ts';
import { TOTP_ALGORITHMS, TOTP_CODE } from '../totp.ts';
import { BarrierShape, Closed, IdOf, Name, Page, PageQuery, Slug, Time } from './shapes.ts';

export const FACTOR_KINDS = ['totp', 'passkey'] as const;
export const FACTOR_STATES = ['unconfirmed', 'active', 'removed'] as const;

export const FactorShape = Closed({
  id: IdOf('factor'),
  consumer: IdOf('consumer'),
  project: Slug,
  environment: Slug,
  kind: Type.Enum([...FACTOR_KINDS]),
  name: Name,
  state: Type.Enum([...FACTOR_STATES], { description: 'Only an active one counts.' }),
  createdAt: Time,
});
export type Factor = Static<typeof FactorShape>;

const ConsumerParams = Closed({ id: IdOf('consumer') });
const FactorParams = Closed({ id: IdOf('factor') });

export const enrolTotp = defineOperation({
  id: 'enrol-totp',
  asks: [{ action: 'factors.enrol', at: 'environment' }],
  method: 'POST',
  path: '/v1/consumers/{id}/factors/totp',
  tag: 'Consumers',
  summary: 'Make the secret of an authenticator app; it counts once a code of it was confirmed',
  params: ConsumerParams,
  body: Closed({
    environment: Slug,
    name: Name,
    issuer: Type.Optional({ ...Name, description: 'What the app shows it under; the project when left out.' }),
    algorithm: Type.Optional(
      Type.Enum([...TOTP_ALGORITHMS], { default: 'sha1', description: 'Most apps make codes of SHA-1 only.' }),
    ),
  }),
  status: 201,
  response: Closed({
    factor: FactorShape,
    secret: Type.Optional(Type.String({ description: 'Base32; shown in this answer only.' })),
    uri: Type.Optional(Type.String({ description: 'For a QR code: it is the secret; shown in this answer only.' })),
    secretShown: Type.Optional(
      Type.Literal(true, { description: 'This call repeats an earlier one, whose answer carried the secret.' }),
    ),
  }),
  errors: ['CONFIRMATION_REQUIRED', 'CONSUMER_NOT_FOUND', 'ENVIRONMENT_NOT_FOUND', 'TOO_MANY_FACTORS', 'SEALED'],
  idempotent: true,
});

export const confirmFactor = defineOperation({
  id: 'confirm-factor',
  asks: [{ action: 'factors.enrol', at: 'environment' }],
  method: 'POST',
  path: '/v1/factors/{id}/confirm',
  tag: 'Consumers',
  summary: 'Confirm an authenticator app by a code that it shows; that code is used by it',
  params: FactorParams,
  body: Closed({ otp: Type.String({ minLength: 6, maxLength: 6, pattern: TOTP_CODE.source }) }),
  status: 200,
  response: Closed({ factor: FactorShape }),
  errors: ['FACTOR_NOT_FOUND', 'CODE_WRONG', 'ILLEGAL_TRANSITION', 'ENVELOPE_BROKEN', 'ROW_TAMPERED', 'SEALED'],
});

export const enrolPasskey = defineOperation({
  id: 'enrol-passkey',
  asks: [{ action: 'factors.enrol', at: 'environment' }],
  method: 'POST',
  path: '/v1/consumers/{id}/factors/passkey',
  tag: 'Consumers',
  summary: 'Ask for a passkey of the consumer; it counts once his device has answered',
  params: ConsumerParams,
  body: Closed({
    environment: Slug,
    name: Name,
    rpId: Type.String({
      ...{ minLength: 1, maxLength: 253, pattern: '^(?:[a-z0-9-]+\\.)*[a-z0-9-]+$' },
      description: 'Domain of the pages that use it, such as app.example.',
    }),
    rpName: Type.Optional({ ...Name, description: 'What devices show it under; the project when left out.' }),
    origins: Type.Array(Type.String({ minLength: 1, maxLength: 300 }), {
      ...{ minItems: 1, maxItems: 10 },
      description: 'Origins of those pages, such as https://app.example; http of localhost alone.',
    }),
  }),
  status: 201,
  response: Closed({
    factor: FactorShape,
    options: Type.Optional(Type.Unknown({ description: 'What a page hands navigator.credentials.create, in JSON.' })),
    optionsShown: Type.Optional(
      Type.Literal(true, { description: 'This call repeats an earlier one, whose answer carried the options.' }),
    ),
  }),
  errors: ['CONFIRMATION_REQUIRED', 'CONSUMER_NOT_FOUND', 'ENVIRONMENT_NOT_FOUND', 'TOO_MANY_FACTORS'],
  idempotent: true,
});

export const confirmPasskey = defineOperation({
  id: 'confirm-passkey',
  asks: [{ action: 'factors.enrol', at: 'environment' }],
  method: 'POST',
  path: '/v1/factors/{id}/confirm-passkey',
  tag: 'Consumers',
  summary: "Confirm a passkey by the device's answer to what was asked",
  params: FactorParams,
  body: Closed({
    response: CreatedPasskeyShape,
  }),
  status: 200,
  response: Closed({ factor: FactorShape }),
  errors: ['FACTOR_NOT_FOUND', 'POSSESSION_UNPROVEN', 'ILLEGAL_TRANSITION', 'ROW_TAMPERED'],
});

export const listFactors = defineOperation({
  id: 'list-factors',
  asks: [{ action: 'factors.read', at: 'project' }],
  method: 'GET',
  path: '/v1/consumers/{id}/factors',
  tag: 'Consumers',
  summary: 'List the second factors of a consumer, oldest first',
  params: ConsumerParams,
  query: Closed(PageQuery),
  status: 200,
  response: Page(FactorShape),
  errors: ['CONSUMER_NOT_FOUND', 'INVALID_CURSOR'],
});

export const removeFactor = defineOperation({
  id: 'remove-factor',
  asks: [{ action: 'factors.remove', at: 'environment' }],
  method: 'DELETE',
  path: '/v1/factors/{id}',
  tag: 'Consumers',
  summary: 'Remove a second factor for good; when this returns it counts nowhere',
  params: FactorParams,
  status: 200,
  response: Closed({ factor: FactorShape, barrier: BarrierShape }),
  errors: ['CONFIRMATION_REQUIRED', 'FACTOR_NOT_FOUND'],
  takesAway: true,
});
