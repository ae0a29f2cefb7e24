import { type Static, Type } from 'typebox';
import { defineOperation } from '../operation.ts';
import { Closed, Nullable } from './shapes.ts';

/** What protects the root key. */
export const SEAL_KINDS = ['file', 'passphrase', 'shamir'] as const;
export type SealKind = (typeof SEAL_KINDS)[number];

const MAX_SHARES = 255;
const Passphrase = Type.String({ minLength: 12, maxLength: 1024, description: 'At least 12 characters.' });
const Threshold = Type.Integer({ minimum: 2, maximum: MAX_SHARES });

const Attempt = Closed({
  nonce: Type.String({ description: 'Binds shares to this attempt.' }),
  given: Type.Array(Type.Integer(), { description: 'Numbers of the shares given so far.' }),
  threshold: Type.Integer(),
});

export const SealShape = Closed({
  kind: Type.Enum([...SEAL_KINDS]),
  sealed: Type.Boolean(),
  rootVersion: Type.Integer(),
  shares: Nullable(Type.Integer({ description: 'Of a `shamir` seal.' })),
  threshold: Nullable(Type.Integer()),
  attempt: Nullable(Attempt),
});
export type Seal = Static<typeof SealShape>;

export const getSeal = defineOperation({
  id: 'get-seal',
  method: 'GET',
  path: '/v1/seal',
  tag: 'Seal',
  summary: 'Show the seal: its kind, whether the installation is sealed, and the attempt to unseal it',
  status: 200,
  response: SealShape,
  errors: [],
});

export const unseal = defineOperation({
  id: 'unseal',
  method: 'POST',
  path: '/v1/unseal',
  tag: 'Seal',
  summary: 'Unseal with a passphrase, with one share after another, or with the key file as it lies',
  body: Closed({
    passphrase: Type.Optional(Type.String({ minLength: 1, maxLength: 1024 })),
    share: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
    nonce: Type.Optional(Type.String({ maxLength: 64, description: 'Of the attempt that the share is given to.' })),
    reset: Type.Optional(Type.Literal(true, { description: 'Forgets the shares given so far.' })),
  }),
  status: 200,
  response: SealShape,
  errors: ['ALREADY_UNSEALED', 'UNSEAL_REFUSED', 'ATTEMPT_OVER', 'ROW_TAMPERED', 'ENVELOPE_BROKEN'],
});

export const sealInstallation = defineOperation({
  id: 'seal-installation',
  method: 'POST',
  path: '/v1/seal',
  tag: 'Seal',
  summary: 'Seal: forget the root key and every key under it, until it is unsealed',
  status: 200,
  response: SealShape,
  errors: ['SEALED'],
});

export const confirmSeal = defineOperation({
  id: 'confirm-seal',
  method: 'POST',
  path: '/v1/seal/confirm',
  tag: 'Seal',
  summary: 'Give back one share of a change that began; with enough of them the new seal counts',
  body: Closed({
    share: Type.String({ minLength: 1, maxLength: 200 }),
    nonce: Type.String({ maxLength: 64, description: 'Of the change, as `attempt` of the seal shows it.' }),
  }),
  status: 200,
  response: SealShape,
  errors: ['SEALED', 'UNSEAL_REFUSED', 'ATTEMPT_OVER', 'ROW_TAMPERED'],
});

export const changeSeal = defineOperation({
  id: 'change-seal',
  method: 'POST',
  path: '/v1/seal/change',
  tag: 'Seal',
  summary:
    'Change the seal while running; the shares of a new `shamir` seal are shown in this answer only, and it counts once enough of them were given to confirm-seal',
  body: Closed({
    kind: Type.Enum([...SEAL_KINDS]),
    passphrase: Type.Optional(Passphrase),
    shares: Type.Optional(Type.Integer({ minimum: 2, maximum: MAX_SHARES })),
    threshold: Type.Optional(Threshold),
  }),
  status: 200,
  response: Closed({
    seal: SealShape,
    shares: Type.Optional(Type.Array(Type.String(), { description: 'One for each holder.' })),
  }),
  errors: ['SEALED', 'ROW_TAMPERED'],
});
