import { type Static, Type } from 'typebox';
import { defineOperation } from '../operation.ts';
import { Closed, IdOf, Name, Nullable, Page, PageQuery, Slug, Time } from './shapes.ts';

const PolicyText = Type.String({
  minLength: 1,
  maxLength: 2_048,
  description: 'One Cedar policy; `GET /v1/policies/schema` says what it can speak of.',
});

const Basis = Type.String({
  pattern: '^[0-9a-f]{64}$',
  description: 'Of the preview: the policies that it looked at have to be those in force still.',
});

export const PolicyShape = Closed({
  id: IdOf('policy'),
  name: Slug,
  effect: Type.Enum(['permit', 'forbid']),
  project: Nullable(Type.String({ description: 'The one in which alone it can apply.' })),
  text: PolicyText,
  reason: Type.String(),
  savedBy: IdOf('person'),
  createdAt: Time,
  savedAt: Time,
});
export type Policy = Static<typeof PolicyShape>;

const Place = Type.String({
  description: '`installation`, `project`, `project/environment`, or the path of a secret behind it.',
});

/** Somebody who could do something before and can't after, or the other way round. */
export const GainShape = Closed({
  principal: Type.String({ description: 'Id of a person or a token.' }),
  name: Type.String(),
  action: Type.String(),
  place: Place,
  allowed: Type.Boolean({ description: 'After the change.' }),
  rule: Type.String({ description: 'What decides it then: a policy, `role:…`, `scope:…`, `default`.' }),
});
export type Gain = Static<typeof GainShape>;

/** Something that was decided in the last month and would be decided otherwise. */
export const ReplayedShape = Closed({
  principal: Type.String(),
  action: Type.String(),
  place: Place,
  count: Type.Integer({ description: 'How often it was asked.' }),
  lastAt: Time,
  allowed: Type.Boolean({ description: 'After the change.' }),
  rule: Type.String(),
});
export type Replayed = Static<typeof ReplayedShape>;

export const PreviewShape = Closed({
  basis: Basis,
  gains: Type.Array(GainShape, { description: 'Who gains and who loses what; 200 at most are shown.' }),
  gainCount: Type.Integer({ description: 'How many there are.' }),
  gainsWhole: Type.Boolean({ description: 'False where there was too much to look at all of it.' }),
  circumstantial: Type.Boolean({
    description: 'The policy looks at time or address: gains are as of now, from an address that is in no network.',
  }),
  replayed: Type.Array(ReplayedShape, { description: 'Decisions that come out otherwise; 200 at most are shown.' }),
  replayedCount: Type.Integer({ description: 'How many there are.' }),
  looked: Type.Integer({
    description: 'Recorded decisions that were made again: each counts what was asked in an hour.',
  }),
  lookedBackTo: Nullable(Type.String({ format: 'date-time', description: 'The oldest of them.' })),
  lookedWhole: Type.Boolean({ description: 'False where older ones of the last 31 days were left out, or not kept.' }),
});
export type Preview = Static<typeof PreviewShape>;

export const listPolicies = defineOperation({
  id: 'list-policies',
  asks: [{ action: 'policies.read', at: 'place' }],
  method: 'GET',
  path: '/v1/policies',
  tag: 'Policies',
  summary: 'List policies, newest first',
  query: Closed(PageQuery),
  status: 200,
  response: Page(PolicyShape),
  errors: ['INVALID_CURSOR'],
});

export const getPolicySchema = defineOperation({
  id: 'get-policy-schema',
  asks: [{ action: 'policies.read', at: 'place' }],
  method: 'GET',
  path: '/v1/policies/schema',
  tag: 'Policies',
  summary: 'The Cedar schema: what policies can speak of',
  status: 200,
  response: Closed({ schema: Type.String() }),
  errors: [],
});

export const previewPolicy = defineOperation({
  id: 'preview-policy',
  asks: [
    { action: 'policies.change', at: 'place' },
    { action: 'people.read', at: 'installation', unless: 'names are left out' },
  ],
  method: 'POST',
  path: '/v1/policies/preview',
  tag: 'Policies',
  summary: 'Who would gain and lose what, and which decisions of the last month would come out otherwise',
  body: Closed({
    name: Type.Optional(Slug),
    text: Type.Optional(PolicyText),
    remove: Type.Optional({ ...IdOf('policy'), description: 'Instead of `name` and `text`: without this one.' }),
  }),
  status: 200,
  response: PreviewShape,
  errors: ['POLICY_NOT_FOUND'],
});

export const savePolicy = defineOperation({
  id: 'save-policy',
  asks: [{ action: 'policies.change', at: 'place' }],
  method: 'PUT',
  path: '/v1/policies/{name}',
  tag: 'Policies',
  summary: 'Save a policy under a name, new or in place of what it was, as a preview has shown it',
  params: Closed({ name: Slug }),
  body: Closed({ text: PolicyText, reason: { ...Name, description: 'Why; for whoever reviews it.' }, basis: Basis }),
  status: 200,
  response: Closed({ policy: PolicyShape }),
  errors: ['CONFIRMATION_REQUIRED', 'POLICIES_CHANGED'],
});

export const removePolicy = defineOperation({
  id: 'remove-policy',
  asks: [{ action: 'policies.change', at: 'place' }],
  method: 'DELETE',
  path: '/v1/policies/{id}',
  tag: 'Policies',
  summary: 'Remove a policy, as a preview has shown it; one that was tampered with too',
  params: Closed({ id: IdOf('policy') }),
  body: Closed({ basis: Basis }),
  status: 200,
  response: Closed({ id: IdOf('policy') }),
  errors: ['CONFIRMATION_REQUIRED', 'POLICY_NOT_FOUND', 'POLICIES_CHANGED', 'ROW_TAMPERED'],
});
