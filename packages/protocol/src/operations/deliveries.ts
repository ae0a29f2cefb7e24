import { type Static, Type } from 'typebox';
import { defineOperation } from '../operation.ts';
import { Closed, IdOf, Nullable, Page, PageQuery, Slug, Time } from './shapes.ts';

const MAX_DAYS = 30;

/** How a secret reaches whom it was meant for, when it shall not be in the answer. */
export const DeliverTo = Type.Union(
  [
    Closed({
      once: Closed({ ttlSeconds: Type.Integer({ minimum: 10, maximum: MAX_DAYS * 86_400 }) }),
    }),
    Closed({
      age: Type.String({
        minLength: 50,
        maxLength: 4096,
        pattern: '^age1[0-9a-z]+$',
        description: "The recipient's own age public key: X25519 or its post-quantum hybrid.",
      }),
    }),
  ],
  { description: 'Either a link that works once, or encrypted to the recipient. The answer has no secret then.' },
);
export type DeliverTo = Static<typeof DeliverTo>;

export const DeliveryShape = Type.Union([
  Closed({
    id: IdOf('delivery'),
    token: Type.String({ description: 'Takes the secret, once.' }),
    path: Type.String({ description: 'A page of this server that takes it on a click. The token is in its fragment.' }),
    expiresAt: Time,
  }),
  Closed({ encrypted: Type.String({ description: 'An armored age file.' }) }),
]);
export type Delivery = Static<typeof DeliveryShape>;

export const takeDelivery = defineOperation({
  id: 'take-delivery',
  method: 'POST',
  path: '/v1/deliveries/take',
  tag: 'Deliveries',
  summary:
    'Take what waits for a one-time token, which is the bearer token of this call; a second time raises an alarm',
  status: 200,
  response: Closed({
    subject: Type.String({ description: 'Id of what is delivered.' }),
    content: Type.Unknown({ description: 'A secret as text, or the data of a stored secret.' }),
  }),
  errors: ['DELIVERY_GONE', 'ROW_TAMPERED', 'ENVELOPE_BROKEN', 'SEALED'],
});

/** Where one stands: nobody took it yet, somebody did, or nobody can any more. */
export const DELIVERY_STATES = ['waiting', 'taken', 'over'] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

const ListedDeliveryShape = Closed({
  id: IdOf('delivery'),
  project: Slug,
  environment: Slug,
  subject: Type.String({
    description: 'Id of what is delivered: a credential, a stored secret, or one of its versions.',
  }),
  state: Type.Enum([...DELIVERY_STATES], {
    description: 'Waits to be taken, was taken, or is over: it was ended, or nobody came in time.',
  }),
  createdAt: Time,
  expiresAt: Time,
  takenAt: Nullable(Time),
});
export type ListedDelivery = Static<typeof ListedDeliveryShape>;

export const listDeliveries = defineOperation({
  id: 'list-deliveries',
  asks: [{ action: 'deliveries.read', at: 'environment' }],
  method: 'GET',
  path: '/v1/deliveries',
  tag: 'Deliveries',
  summary: 'List one-time links of an environment, newest first: which still wait, which were taken and when',
  query: Closed({
    project: Slug,
    environment: Slug,
    subject: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 60,
        pattern: '^[a-z]+_[0-9a-z-]+$',
        description: 'Id of what is delivered.',
      }),
    ),
    state: Type.Optional(Type.Enum([...DELIVERY_STATES])),
    ...PageQuery,
  }),
  status: 200,
  response: Page(ListedDeliveryShape),
  errors: ['PROJECT_NOT_FOUND', 'ENVIRONMENT_NOT_FOUND', 'INVALID_CURSOR'],
});

export const endDelivery = defineOperation({
  id: 'end-delivery',
  asks: [{ action: 'deliveries.end', at: 'environment' }],
  method: 'DELETE',
  path: '/v1/deliveries/{id}',
  tag: 'Deliveries',
  summary: 'End what waits for a one-time token, for example where the link went to the wrong person',
  params: Closed({ id: IdOf('delivery') }),
  status: 200,
  response: Closed({
    id: IdOf('delivery'),
    subject: Type.String({ description: 'Id of what was to be delivered.' }),
    takenAt: Type.Union([Time, Type.Null()], {
      description: 'When somebody took it before that; null: nobody did, and nobody will.',
    }),
  }),
  errors: ['DELIVERY_GONE'],
});
