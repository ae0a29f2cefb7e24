import { type Static, Type } from 'typebox';
import { defineOperation } from '../operation.ts';
import { Closed, Nullable } from './shapes.ts';

/** What protects the root key. */
export const SEAL_KINDS = ['file', 'passphrase', 'shamir', 'pkcs11'] as const;
export type SealKind = (typeof SEAL_KINDS)[number];

const MAX_SHARES = 255;
const Passphrase = Type.String({ minLength: 12, maxLength: 1024, description: 'At least 12 characters.' });
const Threshold = Type.Integer({ minimum: 2, maximum: MAX_SHARES });

/** Of the standard: 32 bytes of UTF-8, padded with blanks. */
const TokenLabel = Type.String({ minLength: 1, maxLength: 32, description: 'Label of the token, of a `pkcs11` seal.' });
const Module = Type.String({
  minLength: 1,
  maxLength: 1024,
  description: "PKCS#11 library of the HSM's maker: its absolute path on the server, of a `pkcs11` seal.",
});
const KeyLabel = Type.String({
  minLength: 1,
  maxLength: 128,
  description: 'Label of the AES-256 key in the token, which is made where there is none; else `keyhold` and our id.',
});
const PinFile = Type.String({
  minLength: 1,
  maxLength: 1024,
  description: "The PIN's file on the server, by its absolute path, so that a start opens the seal by itself.",
});
const Pin = Type.String({ minLength: 1, maxLength: 255, description: "The token's PIN." });

const Attempt = Closed({
  nonce: Type.String({ description: 'Binds shares to this attempt.' }),
  given: Type.Array(Type.Integer(), { description: 'Numbers of the shares given so far.' }),
  threshold: Type.Integer(),
});

export const SealShape = Closed({
  kind: Type.Enum([...SEAL_KINDS]),
  sealed: Type.Boolean(),
  rootVersion: Type.Integer(),
  rootPending: Type.Integer({
    description: 'Keys of all environments that still lie under the root key before; 0: its rotation is done.',
  }),
  shares: Nullable(Type.Integer({ description: 'Of a `shamir` seal.' })),
  threshold: Nullable(Type.Integer()),
  attempt: Nullable(Attempt),
  pkcs11: Nullable(Closed({ module: Module, tokenLabel: TokenLabel, keyLabel: KeyLabel, pinFile: Nullable(PinFile) })),
});
export type Seal = Static<typeof SealShape>;

/** What an HSM may answer where it is needed. */
const HSM_ERRORS = [
  'HSM_SUPPORT_MISSING',
  'HSM_MODULE_UNUSABLE',
  'HSM_TOKEN_NOT_FOUND',
  'HSM_KEY_NOT_FOUND',
  'HSM_KEY_UNFIT',
  'HSM_PIN_WRONG',
  'HSM_PIN_LOCKED',
  'HSM_UNAVAILABLE',
] as const;

export const getSeal = defineOperation({
  id: 'get-seal',
  asks: [{ action: 'seal.read', at: 'installation' }],
  method: 'GET',
  path: '/v1/seal',
  tag: 'Seal',
  summary: 'Show the seal: its kind, whether the installation is sealed, and the attempt to unseal it',
  status: 200,
  response: SealShape,
  errors: [],
});

export const unseal = defineOperation({
  carriesSecret: true,
  id: 'unseal',
  asks: [{ action: 'seal.unseal', at: 'installation' }],
  method: 'POST',
  path: '/v1/unseal',
  tag: 'Seal',
  summary: 'Unseal with a passphrase, one share after another, a PIN, or the key or PIN file as it lies',
  body: Closed({
    passphrase: Type.Optional(Type.String({ minLength: 1, maxLength: 1024 })),
    share: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
    nonce: Type.Optional(Type.String({ maxLength: 64, description: 'Of the attempt that the share is given to.' })),
    pin: Type.Optional(Pin),
    reset: Type.Optional(Type.Literal(true, { description: 'Forgets the shares given so far.' })),
  }),
  status: 200,
  response: SealShape,
  errors: ['ALREADY_UNSEALED', 'UNSEAL_REFUSED', 'ATTEMPT_OVER', 'ROW_TAMPERED', 'ENVELOPE_BROKEN', ...HSM_ERRORS],
});

export const sealInstallation = defineOperation({
  id: 'seal-installation',
  asks: [{ action: 'seal.change', at: 'installation' }],
  method: 'POST',
  path: '/v1/seal',
  tag: 'Seal',
  summary: 'Seal: forget the root key and every key under it, until it is unsealed',
  status: 200,
  response: SealShape,
  errors: ['CONFIRMATION_REQUIRED', 'SEALED'],
});

export const confirmSeal = defineOperation({
  carriesSecret: true,
  id: 'confirm-seal',
  asks: [{ action: 'seal.change', at: 'installation' }],
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
  errors: ['CONFIRMATION_REQUIRED', 'SEALED', 'UNSEAL_REFUSED', 'ATTEMPT_OVER', 'ROW_TAMPERED'],
});

export const changeSeal = defineOperation({
  carriesSecret: true,
  id: 'change-seal',
  asks: [{ action: 'seal.change', at: 'installation' }],
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
    module: Type.Optional(Module),
    tokenLabel: Type.Optional(TokenLabel),
    keyLabel: Type.Optional(KeyLabel),
    pin: Type.Optional(Pin),
    pinFile: Type.Optional(PinFile),
  }),
  status: 200,
  response: Closed({
    seal: SealShape,
    shares: Type.Optional(Type.Array(Type.String(), { description: 'One for each holder.' })),
  }),
  errors: ['CONFIRMATION_REQUIRED', 'SEALED', 'ATTEMPT_OVER', 'UNSEAL_REFUSED', 'ROW_TAMPERED', ...HSM_ERRORS],
});
