import { type Static, Type } from 'typebox';
import { defineOperation } from '../operation.ts';
import { TokenShape } from './access.ts';
import { SecretPath } from './secrets.ts';
import { Closed, IdOf, Nullable, Slug, Time } from './shapes.ts';

const GroupName = Type.String({ minLength: 1, maxLength: 200, pattern: '^[^\\p{Cc}\\p{Cs}]*$' });

/** Who is in a group there has a role here. */
const GroupRole = Closed({
  group: { ...GroupName, description: 'As the provider names it, letter by letter.' },
  role: Type.String({ minLength: 1, maxLength: 63, description: 'Built-in or custom; owners are invited.' }),
  project: Type.Optional(Slug),
  environment: Type.Optional(
    Type.String({ maxLength: 127, pattern: '^[a-z0-9-]+/[a-z0-9-]+$', description: '`project/environment`' }),
  ),
});
export type GroupRole = Static<typeof GroupRole>;

const Claim = Type.String({ minLength: 1, maxLength: 100, pattern: '^[!-~]+$' });

/** What becomes of whom the provider deactivates over SCIM. */
const DEACTIVATED = ['off-board', 'suspend'] as const;

export const SignOnShape = Closed({
  id: IdOf('signOn'),
  name: Slug,
  issuer: Type.String(),
  clientId: Type.String(),
  hasSecret: Type.Boolean(),
  groupsClaim: Claim,
  subjectClaim: Claim,
  makesPeople: Type.Boolean(),
  onDeactivated: Type.Enum([...DEACTIVATED]),
  roles: Type.Array(GroupRole),
  /** What the provider has to be told. */
  redirectUri: Type.String(),
  createdAt: Time,
  savedAt: Time,
});
export type SignOn = Static<typeof SignOnShape>;

const Params = Closed({ name: Slug });

export const saveSignOn = defineOperation({
  id: 'save-sign-on',
  asks: [{ action: 'sign-on.change', at: 'installation' }],
  method: 'PUT',
  path: '/v1/sign-on/{name}',
  tag: 'Sign-in',
  summary: 'Let people sign in at an OpenID Connect provider, with roles by the groups that they are in there',
  params: Params,
  body: Closed({
    issuer: Type.String({
      ...{ minLength: 8, maxLength: 500, pattern: '^https?://[^\\s?#]+$' },
      description: 'As its discovery document names it; http for this machine alone.',
    }),
    clientId: Type.String({ minLength: 1, maxLength: 200, pattern: '^[!-~]+$' }),
    clientSecretFrom: Type.Optional(
      Nullable({
        ...Closed({ project: Slug, environment: Slug, path: SecretPath }),
        description:
          'Stored secret whose field `clientSecret` is taken over now. Left out: the one that is kept. Null: none.',
      }),
    ),
    groupsClaim: Type.Optional({ ...Claim, description: 'Claim with the names of groups; `groups` by default.' }),
    subjectClaim: Type.Optional({
      ...Claim,
      description: 'Claim that says who it is and never means another; `sub` by default, `oid` of Microsoft Entra ID.',
    }),
    makesPeople: Type.Boolean({ description: 'Whoever is in such a group and was not here yet becomes a person.' }),
    onDeactivated: Type.Optional(
      Type.Enum([...DEACTIVATED], {
        description:
          'What becomes of whom the provider deactivates over SCIM; off-board by default. Who is deleted is off-boarded.',
      }),
    ),
    roles: Type.Array(GroupRole, { maxItems: 100 }),
  }),
  status: 200,
  response: Closed({ signOn: SignOnShape }),
  errors: [
    ...(['CONFIRMATION_REQUIRED', 'PROJECT_NOT_FOUND', 'ENVIRONMENT_NOT_FOUND', 'SECRET_NOT_FOUND'] as const),
    ...(['SECRET_VERSION_GONE', 'ENVELOPE_BROKEN', 'ROW_TAMPERED', 'SEALED'] as const),
  ],
});

export const listSignOns = defineOperation({
  id: 'list-sign-ons',
  asks: [{ action: 'sign-on.read', at: 'installation' }],
  method: 'GET',
  path: '/v1/sign-on',
  tag: 'Sign-in',
  summary: 'List providers that people may sign in at',
  status: 200,
  response: Closed({ items: Type.Array(SignOnShape) }),
  errors: [],
});

export const removeSignOn = defineOperation({
  id: 'remove-sign-on',
  asks: [{ action: 'sign-on.remove', at: 'installation' }],
  method: 'DELETE',
  path: '/v1/sign-on/{name}',
  tag: 'Sign-in',
  summary: 'Trust a provider no more: sessions that began there end, and roles by its groups',
  params: Params,
  status: 200,
  response: Closed({ name: Slug, rolesEnded: Type.Integer() }),
  errors: ['SIGN_ON_NOT_FOUND'],
});

export const listWaysIn = defineOperation({
  id: 'list-ways-in',
  method: 'GET',
  path: '/v1/sign-in/providers',
  tag: 'Sign-in',
  summary: 'Names of providers to sign in at, for the page of it; takes no token',
  status: 200,
  response: Closed({ items: Type.Array(Closed({ name: Slug, path: Type.String() })) }),
  errors: [],
});

export const linkIdentity = defineOperation({
  id: 'link-identity',
  method: 'POST',
  path: '/v1/session/identities',
  tag: 'Sign-in',
  summary: 'Link yourself with who you are at a provider: go to the path in the same browser; confirmed with a passkey',
  body: Closed({ name: Slug }),
  status: 201,
  response: Closed({ path: Type.String({ description: 'Of this server; good once, for ten minutes.' }) }),
  errors: ['CONFIRMATION_REQUIRED', 'SIGN_ON_NOT_FOUND'],
});

export const createProvisioningToken = defineOperation({
  id: 'create-provisioning-token',
  asks: [{ action: 'sign-on.change', at: 'installation' }],
  method: 'POST',
  path: '/v1/sign-on/{name}/provisioning-tokens',
  tag: 'Sign-in',
  summary: 'Make a token with which the provider keeps its people and groups here (SCIM 2.0 at /scim/v2); shown once',
  params: Params,
  body: Closed({ expiresAt: Type.Optional(Time) }),
  status: 201,
  response: Closed({
    token: TokenShape,
    secret: Type.Optional(Type.String()),
    secretShown: Type.Optional(Type.Literal(true)),
  }),
  errors: ['CONFIRMATION_REQUIRED', 'SIGN_ON_NOT_FOUND'],
  idempotent: true,
});
