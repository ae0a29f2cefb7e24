import { type Static, Type } from 'typebox';
import { defineOperation } from '../operation.ts';
import { Closed, IdOf, Nullable, Slug, Time } from './shapes.ts';

const KeyVersion = Closed({
  id: IdOf('vaultKey'),
  project: Slug,
  environment: Slug,
  purpose: Type.String(),
  version: Type.Integer(),
  rootVersion: Type.Integer({ description: 'Version of the root key that it lies under.' }),
  newest: Type.Boolean({ description: 'It encrypts from now on; the others only decrypt what is not re-wrapped yet.' }),
  rows: Type.Integer({ description: 'Envelopes that lie under it. 0 for an old version: nothing needs it any more.' }),
  createdAt: Time,
});

export const RotationShape = Closed({
  rootVersion: Nullable(Type.Integer()),
  pending: Type.Integer({
    description:
      'Envelopes and keys of the environment still under an old version; 0: everything in it is re-wrapped. GET /v1/seal has it for the root key.',
  }),
  keys: Type.Array(KeyVersion),
});
export type Rotation = Static<typeof RotationShape>;

export const getRotation = defineOperation({
  id: 'get-rotation',
  asks: [{ action: 'vault-keys.read', at: 'environment' }],
  method: 'GET',
  path: '/v1/vault/keys',
  tag: 'Vault',
  summary: 'Count what lies under each version of each key: how far a rotation has come, and the proof that it is done',
  query: Closed({ project: Slug, environment: Slug }),
  status: 200,
  response: RotationShape,
  errors: ['PROJECT_NOT_FOUND', 'ENVIRONMENT_NOT_FOUND'],
});

export const rotateEnvironmentKeys = defineOperation({
  id: 'rotate-environment-keys',
  asks: [{ action: 'vault-keys.rotate', at: 'environment' }],
  method: 'POST',
  path: '/v1/vault/keys/rotate',
  tag: 'Vault',
  summary:
    'Rotate the keys of an environment: new versions encrypt at once, old envelopes are re-wrapped while serving',
  body: Closed({ project: Slug, environment: Slug }),
  status: 200,
  response: RotationShape,
  errors: [
    ...(['PROJECT_NOT_FOUND', 'ENVIRONMENT_NOT_FOUND', 'SEALED', 'ATTEMPT_OVER'] as const),
    ...(['ROW_TAMPERED', 'ENVELOPE_BROKEN'] as const),
  ],
});

export const rotateRootKey = defineOperation({
  id: 'rotate-root-key',
  asks: [{ action: 'vault-keys.rotate', at: 'installation' }],
  method: 'POST',
  path: '/v1/vault/root/rotate',
  tag: 'Vault',
  summary: 'Rotate the root key under the same seal; the keys of environments are re-wrapped while serving',
  status: 200,
  response: Closed({ rootVersion: Type.Integer(), pending: Type.Integer() }),
  errors: ['CONFIRMATION_REQUIRED', 'SEALED', 'ATTEMPT_OVER', 'ROW_TAMPERED', 'ENVELOPE_BROKEN'],
});
