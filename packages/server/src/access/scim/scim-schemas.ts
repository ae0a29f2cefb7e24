import { SCHEMAS } from './scim.ts';

const no = { supported: false } as const;

/** What this server can do (RFC 7643 §5). */
export const PROVIDER_CONFIG = {
  schemas: ['urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig'],
  patch: { supported: true },
  bulk: { ...no, maxOperations: 0, maxPayloadSize: 0 },
  filter: { supported: true, maxResults: 200 },
  changePassword: no,
  sort: no,
  etag: no,
  authenticationSchemes: [
    { type: 'oauthbearertoken', name: 'Bearer token', description: 'keyhold sign-on create-token NAME', primary: true },
  ],
  meta: { resourceType: 'ServiceProviderConfig' },
} as const;

const resourceType = (name: 'User' | 'Group', schema: string) => ({
  schemas: ['urn:ietf:params:scim:schemas:core:2.0:ResourceType'],
  ...{ id: name, name, endpoint: `/${name}s`, schema },
  meta: { resourceType: 'ResourceType' },
});

export const RESOURCE_TYPES = [resourceType('User', SCHEMAS.user), resourceType('Group', SCHEMAS.group)] as const;

interface Attribute {
  readonly type?: 'string' | 'boolean' | 'complex';
  readonly required?: boolean;
  readonly multiValued?: boolean;
  readonly readOnly?: boolean;
  readonly unique?: boolean;
  readonly subAttributes?: readonly object[];
}

const attribute = (name: string, about: Attribute = {}) => ({
  name,
  type: about.type ?? 'string',
  multiValued: about.multiValued ?? false,
  required: about.required ?? false,
  caseExact: name !== 'userName',
  mutability: about.readOnly === true ? 'readOnly' : 'readWrite',
  returned: 'default',
  uniqueness: about.unique === true ? 'server' : 'none',
  ...(about.subAttributes === undefined ? {} : { subAttributes: about.subAttributes }),
});

const schema = (id: string, name: string, attributes: readonly object[]) => ({
  schemas: ['urn:ietf:params:scim:schemas:core:2.0:Schema'],
  ...{ id, name, attributes },
  meta: { resourceType: 'Schema' },
});

const reference = { multiValued: true, type: 'complex', subAttributes: [attribute('value')] } as const;

/** What is kept of people and groups; everything else that a provider says is left alone. */
export const SCIM_SCHEMAS = [
  schema(SCHEMAS.user, 'User', [
    attribute('userName', { required: true, unique: true }),
    attribute('externalId'),
    attribute('displayName'),
    attribute('active', { type: 'boolean' }),
    attribute('name', {
      type: 'complex',
      subAttributes: ['formatted', 'givenName', 'familyName'].map((one) => attribute(one)),
    }),
  ]),
  schema(SCHEMAS.group, 'Group', [
    attribute('displayName', { required: true, unique: true }),
    attribute('externalId'),
    attribute('members', reference),
  ]),
] as const;
