import { type Static, Type } from 'typebox';
import { defineOperation } from '../operation.ts';
import { Binding, Scopes } from './access.ts';
import { BarrierShape, Closed, IdOf, Name, Nullable, Page, PageQuery, Slug, Time } from './shapes.ts';

const Claims = Type.Record(
  Type.String({ pattern: '^[A-Za-z0-9_.:/-]{1,100}$' }),
  Type.String({ minLength: 1, maxLength: 300, pattern: '^[^\\p{Cc}]+$' }),
  {
    ...{ minProperties: 1, maxProperties: 20 },
    description: 'What the token or the certificate has to say; `*` stands for any text without a colon.',
  },
);

export const WorkloadShape = Closed({
  id: IdOf('workload'),
  name: Name,
  issuer: Type.String(),
  audience: Nullable(Type.String()),
  jwksUri: Nullable(Type.String()),
  claims: Type.Record(Type.String(), Type.String()),
  scopes: Scopes,
  projects: Nullable(Type.Array(Slug, { description: 'Its tokens are bound to these; null: to none.' })),
  environment: Nullable(Type.String({ description: '`project/environment`' })),
  ttlSeconds: Type.Integer(),
  state: Type.Enum(['active', 'removed']),
  createdAt: Time,
});
export type Workload = Static<typeof WorkloadShape>;

export const createWorkload = defineOperation({
  id: 'create-workload',
  asks: [{ action: 'workloads.create', at: 'installation' }],
  method: 'POST',
  path: '/v1/workloads',
  tag: 'Tokens',
  summary: 'Trust the tokens that an issuer gives to a workload: they can be exchanged for short-lived tokens of ours',
  body: Closed({
    name: Name,
    issuer: Type.String({
      minLength: 1,
      maxLength: 300,
      description: 'The `iss` of its tokens (a CI system, a cluster); `x509`: it has a certificate instead.',
    }),
    audience: Type.Optional(
      Type.String({
        ...{ minLength: 1, maxLength: 300 },
        description: 'The `aud` that they must be made for; a certificate has none.',
      }),
    ),
    jwksUri: Type.Optional(
      Type.String({
        ...{ minLength: 1, maxLength: 300 },
        description: "Where the issuer's keys are; else its discovery document says it.",
      }),
    ),
    claims: Claims,
    scopes: Scopes,
    ...Binding,
    ttlSeconds: Type.Optional(Type.Integer({ minimum: 60, maximum: 3600, default: 900 })),
  }),
  status: 201,
  response: Closed({ workload: WorkloadShape }),
  errors: ['CONFIRMATION_REQUIRED', 'PROJECT_NOT_FOUND', 'ENVIRONMENT_NOT_FOUND'],
  idempotent: true,
});

export const listWorkloads = defineOperation({
  id: 'list-workloads',
  asks: [{ action: 'workloads.read', at: 'installation' }],
  method: 'GET',
  path: '/v1/workloads',
  tag: 'Tokens',
  summary: 'List workloads, newest first',
  query: Closed(PageQuery),
  status: 200,
  response: Page(WorkloadShape),
  errors: ['INVALID_CURSOR'],
});

export const removeWorkload = defineOperation({
  id: 'remove-workload',
  asks: [{ action: 'workloads.remove', at: 'installation' }],
  method: 'DELETE',
  path: '/v1/workloads/{id}',
  tag: 'Tokens',
  summary: 'Trust a workload no more; when this returns its tokens open nothing anywhere',
  params: Closed({ id: IdOf('workload') }),
  status: 200,
  response: Closed({ workload: WorkloadShape, tokensRevoked: Type.Integer({ minimum: 0 }), barrier: BarrierShape }),
  errors: ['WORKLOAD_NOT_FOUND'],
});

/** Stands for an issuer where a workload shows a certificate of a client, which the authorities of the operator signed. */
export const CERTIFICATE_ISSUER = 'x509';

/** What such a workload can ask of a certificate. */
export const CERTIFICATE_CLAIMS: readonly string[] = ['cn', 'dns', 'uri', 'email', 'ip', 'fingerprint'];

/** `POST /v1/token-exchange` (RFC 8693, RFC 8705 §2): the one call that takes no token of ours. */
export const EXCHANGE_PATH = '/v1/token-exchange';
export const EXCHANGE_GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange';
/** RFC 6749 §4.4: what identifies the client is the certificate of its connection. */
export const CERTIFICATE_GRANT = 'client_credentials';
export const JWT_TYPE = 'urn:ietf:params:oauth:token-type:jwt';
export const ACCESS_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token';

/** Its answer (RFC 8693 §2.2.1). */
export interface ExchangedToken {
  readonly access_token: string;
  readonly issued_token_type: typeof ACCESS_TOKEN_TYPE;
  readonly token_type: 'Bearer';
  readonly expires_in: number;
}
