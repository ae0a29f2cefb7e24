import { type Static, Type } from 'typebox';
import { defineOperation } from '../operation.ts';
import { BarrierShape, Closed, Nullable, Permission, Slug } from './shapes.ts';

const Days = Type.Integer({ minimum: 1, maximum: 3650 });
const MAX_PERMISSIONS = 20;

/** What keys of an environment have to be like, as exchanges ask it of theirs. */
export const RulesShape = Closed({
  withdrawals: Type.Array(Permission, {
    maxItems: MAX_PERMISSIONS,
    uniqueItems: true,
    description: 'A key with one of these has to have networks and an address book; each use names an address of it.',
  }),
  withoutNetworks: Nullable(
    Closed({
      permissions: Type.Array(Permission, { minItems: 1, maxItems: MAX_PERMISSIONS, uniqueItems: true }),
      days: Days,
    }),
  ),
  secondFactor: Type.Array(Permission, {
    maxItems: MAX_PERMISSIONS,
    uniqueItems: true,
    description: 'Each use of one of these takes a second factor of the consumer.',
  }),
  unusedDays: Nullable(Type.Integer({ ...Days, description: 'A key that nobody used for so long is suspended.' })),
});
export type Rules = Static<typeof RulesShape>;

const EnvironmentParams = Closed({ slug: Slug, name: Slug });

export const setRules = defineOperation({
  id: 'set-rules',
  asks: [{ action: 'rules.set', at: 'environment' }],
  method: 'PUT',
  path: '/v1/projects/{slug}/environments/{name}/rules',
  tag: 'Environments',
  summary: 'Set what keys of an environment have to be like; what is left out is not asked; waits for the barrier',
  params: EnvironmentParams,
  body: Closed({
    withdrawals: Type.Optional(RulesShape.properties.withdrawals),
    withoutNetworks: Type.Optional(RulesShape.properties.withoutNetworks),
    secondFactor: Type.Optional(RulesShape.properties.secondFactor),
    unusedDays: Type.Optional(RulesShape.properties.unusedDays),
  }),
  status: 200,
  response: Closed({ rules: RulesShape, barrier: BarrierShape }),
  errors: ['CONFIRMATION_REQUIRED', 'PROJECT_NOT_FOUND', 'ENVIRONMENT_NOT_FOUND', 'ROW_TAMPERED'],
});

export const getRules = defineOperation({
  id: 'get-rules',
  asks: [{ action: 'rules.read', at: 'environment' }],
  method: 'GET',
  path: '/v1/projects/{slug}/environments/{name}/rules',
  tag: 'Environments',
  summary: 'Show what keys of an environment have to be like',
  params: EnvironmentParams,
  status: 200,
  response: RulesShape,
  errors: ['PROJECT_NOT_FOUND', 'ENVIRONMENT_NOT_FOUND'],
});
