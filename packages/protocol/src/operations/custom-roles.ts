import { type Static, Type } from 'typebox';
import { defineOperation } from '../operation.ts';
import { Closed, IdOf, Name, Page, PageQuery, Slug, Time } from './shapes.ts';

const Actions = Type.Array(Type.String({ maxLength: 64, pattern: '^[a-z-]+\\.[a-z-]+$' }), {
  maxItems: 100,
  uniqueItems: true,
  description: 'Such as `keys.read`; `GET /v1/policies/schema` lists them. Empty: it opens nothing.',
});

export const CustomRoleShape = Closed({
  id: IdOf('customRole'),
  name: Slug,
  actions: Actions,
  about: Type.String(),
  createdAt: Time,
  savedAt: Time,
});
export type CustomRole = Static<typeof CustomRoleShape>;

export const listCustomRoles = defineOperation({
  id: 'list-custom-roles',
  asks: [{ action: 'custom-roles.read', at: 'installation' }],
  method: 'GET',
  path: '/v1/custom-roles',
  tag: 'People',
  summary: 'List roles that were made here, newest first',
  query: Closed(PageQuery),
  status: 200,
  response: Page(CustomRoleShape),
  errors: ['INVALID_CURSOR'],
});

export const saveCustomRole = defineOperation({
  id: 'save-custom-role',
  asks: [{ action: 'custom-roles.change', at: 'installation' }],
  method: 'PUT',
  path: '/v1/custom-roles/{name}',
  tag: 'People',
  summary: 'Make a role of actions, or change what one opens for all who hold it',
  params: Closed({ name: Slug }),
  body: Closed({ actions: Actions, about: { ...Name, description: 'What it is for.' } }),
  status: 200,
  response: Closed({ role: CustomRoleShape }),
  errors: ['CONFIRMATION_REQUIRED', 'ROLE_IN_USE'],
});

export const removeCustomRole = defineOperation({
  id: 'remove-custom-role',
  asks: [{ action: 'custom-roles.change', at: 'installation' }],
  method: 'DELETE',
  path: '/v1/custom-roles/{name}',
  tag: 'People',
  summary: 'Remove a role that nobody holds; whoever does loses what it opens by saving it without actions',
  params: Closed({ name: Slug }),
  status: 200,
  response: Closed({ name: Slug }),
  errors: ['CUSTOM_ROLE_NOT_FOUND', 'ROLE_IN_USE'],
});
