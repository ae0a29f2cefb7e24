import { type Static, Type } from 'typebox';
import { defineOperation } from '../operation.ts';
import { Closed, IdOf, Nullable, Page, PageQuery, Time } from './shapes.ts';

export const EntryShape = Closed({
  sequence: Type.Integer(),
  id: IdOf('entry'),
  at: Time,
  actor: Type.String(),
  action: Type.String(),
  subject: Type.String(),
  /** The leaf itself, byte for byte: canonical JSON. */
  leaf: Type.String(),
  hash: Type.String({ description: 'SHA-256 of the leaf; the next entry names it as `previous`.' }),
  side: Nullable(Type.Unknown({ description: 'What the leaf commits to and what can be erased.' })),
});
export type Entry = Static<typeof EntryShape>;

export const listEntries = defineOperation({
  id: 'list-entries',
  method: 'GET',
  path: '/v1/audit/entries',
  tag: 'Audit',
  summary: 'List ledger entries; newest first unless `order=asc`',
  query: Closed({
    action: Type.Optional(Type.String({ minLength: 1, maxLength: 63, pattern: '^[a-z-]+(\\.[a-z-]+)*$' })),
    actor: Type.Optional(Type.String({ minLength: 1, maxLength: 60, pattern: '^[a-z0-9_-]+$' })),
    subject: Type.Optional(Type.String({ minLength: 1, maxLength: 60, pattern: '^[a-z0-9_-]+$' })),
    order: Type.Optional(Type.Enum(['asc', 'desc'], { default: 'desc' })),
    ...PageQuery,
  }),
  status: 200,
  response: Page(EntryShape),
  errors: ['INVALID_CURSOR'],
});

export const VerifierShape = Closed({
  id: Type.String({ pattern: '^ver_[0-9a-f-]{36}$' }),
  connected: Type.Boolean(),
  acknowledged: Type.Integer({ description: 'Newest sequence that it has applied.' }),
  leases: Type.Integer({ description: 'Environments that it may hold a lease for.' }),
  fenced: Type.Boolean({ description: 'It refuses to serve until a restore is accepted.' }),
});

export const getInstallation = defineOperation({
  id: 'get-installation',
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
  method: 'POST',
  path: '/v1/installation/accept-restore',
  tag: 'Installation',
  summary: 'Accept that this ledger was restored: verifiers that were ahead of it drop what they hold and start anew',
  status: 200,
  response: Closed({ sequence: Type.Integer(), acceptedEpoch: Type.Integer() }),
  errors: ['NOTHING_TO_ACCEPT'],
});
