import { type Static, Type } from 'typebox';
import { defineOperation } from '../operation.ts';
import { SCOPES, STATES } from '../state.ts';
import { BarrierShape, Closed, IdOf, Name, Nullable, Page, PageQuery, Slug, Time } from './shapes.ts';

export const Scopes = Type.Array(Type.Enum([...SCOPES]), { minItems: 1, maxItems: SCOPES.length, uniqueItems: true });

/** What a token is bound to, where to anything. */
export const Binding = {
  projects: Type.Optional(Type.Array(Slug, { minItems: 1, maxItems: 50, uniqueItems: true })),
  environment: Type.Optional(
    Type.String({
      maxLength: 127,
      pattern: '^[a-z0-9-]{1,63}/[a-z0-9-]{1,63}$',
      description: '`project/environment`; instead of `projects`.',
    }),
  ),
};

/** Whether somebody made it, or it was given to a workload that showed who it is. */
export const TOKEN_KINDS = ['created', 'exchanged'] as const;
export type TokenKind = (typeof TOKEN_KINDS)[number];
/** Those that tokens are in; one that is over by time is deactivated too. */
export const TOKEN_STATES = ['active', 'deactivated'] as const;
export type TokenState = (typeof TOKEN_STATES)[number];

export const TokenShape = Closed({
  id: IdOf('token'),
  name: Name,
  kind: Type.Enum([...TOKEN_KINDS], {
    description: 'Whether somebody created it, or a workload got it in exchange for what shows who it is.',
  }),
  scopes: Scopes,
  projects: Nullable(Type.Array(Slug, { description: 'Bound to these; null: to none.' })),
  environment: Nullable(Type.String({ description: '`project/environment`' })),
  hint: Type.String(),
  state: Type.Enum([...STATES]),
  expiresAt: Nullable(Time),
  createdAt: Time,
});
export type Token = Static<typeof TokenShape>;

export const createToken = defineOperation({
  id: 'create-token',
  asks: [{ action: 'tokens.create', at: 'place' }],
  method: 'POST',
  path: '/v1/tokens',
  tag: 'Tokens',
  summary: "Create one of Keyhold's own tokens; the secret is shown in this answer only",
  body: Closed({
    name: Name,
    scopes: Scopes,
    ...Binding,
    expiresAt: Type.Optional(Time),
  }),
  status: 201,
  response: Closed({
    token: TokenShape,
    secret: Type.Optional(Type.String()),
    secretShown: Type.Optional(Type.Literal(true)),
  }),
  errors: ['CONFIRMATION_REQUIRED', 'PROJECT_NOT_FOUND', 'ENVIRONMENT_NOT_FOUND'],
  idempotent: true,
});

export const listTokens = defineOperation({
  id: 'list-tokens',
  asks: [{ action: 'tokens.read', at: 'place' }],
  method: 'GET',
  path: '/v1/tokens',
  tag: 'Tokens',
  summary: 'List tokens, newest first',
  query: Closed({
    kind: Type.Optional(Type.Enum([...TOKEN_KINDS])),
    state: Type.Optional(Type.Enum([...TOKEN_STATES], { description: 'One that is over by time is deactivated.' })),
    ...PageQuery,
  }),
  status: 200,
  response: Page(TokenShape),
  errors: ['INVALID_CURSOR'],
});

export const revokeToken = defineOperation({
  id: 'revoke-token',
  asks: [{ action: 'tokens.revoke', at: 'place' }],
  method: 'POST',
  path: '/v1/tokens/{id}/revoke',
  tag: 'Tokens',
  summary: 'Revoke a token; when this returns it opens nothing anywhere',
  params: Closed({ id: IdOf('token') }),
  status: 200,
  response: Closed({ token: TokenShape, barrier: BarrierShape }),
  errors: ['TOKEN_NOT_FOUND'],
  takesAway: true,
});
