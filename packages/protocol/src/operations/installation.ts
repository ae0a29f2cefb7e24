import { type Static, Type } from 'typebox';
import { defineOperation } from '../operation.ts';
import { Closed, IdOf, Nullable, Time } from './shapes.ts';

export const VerifierShape = Closed({
  id: Type.String({
    pattern: '^(ver_[0-9a-f-]{36}|unknown)$',
    description: '`unknown` stands for all that a state of before knows nothing of, where one was put back.',
  }),
  connected: Type.Boolean(),
  acknowledged: Type.Integer({ description: 'Newest sequence that it has applied.' }),
  leases: Type.Integer({ description: 'Environments that it may hold a lease for.' }),
  fenced: Type.Boolean({ description: 'It refuses to serve until a restore is accepted.' }),
});

export const getInstallation = defineOperation({
  id: 'get-installation',
  asks: [{ action: 'installation.read', at: 'installation' }],
  method: 'GET',
  path: '/v1/installation',
  tag: 'Installation',
  summary: 'Show the installation, the head of its ledger, its verifiers and raised alarms',
  status: 200,
  response: Closed({
    id: IdOf('installation'),
    version: Type.String(),
    epoch: Type.Integer(),
    sequence: Type.Integer(),
    hash: Nullable(Type.String()),
    verifiers: Type.Array(VerifierShape),
    alarms: Type.Array(Closed({ code: Type.String(), subject: Type.String(), at: Time, detail: Type.String() })),
  }),
  errors: [],
});
export type Installation = Static<(typeof getInstallation)['response']>;

export const acceptRestore = defineOperation({
  id: 'accept-restore',
  asks: [{ action: 'installation.accept-restore', at: 'installation' }],
  method: 'POST',
  path: '/v1/installation/accept-restore',
  tag: 'Installation',
  summary: 'Accept that this ledger was restored: verifiers that were ahead of it drop what they hold and start anew',
  status: 200,
  response: Closed({ sequence: Type.Integer(), acceptedEpoch: Type.Integer() }),
  errors: ['CONFIRMATION_REQUIRED', 'NOTHING_TO_ACCEPT'],
});
