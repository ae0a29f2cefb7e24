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

/** Number of an entry, from 1 on; a path or a query writes it as text. */
const Sequence = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });
const Hash = Type.String({ description: 'Base 64.' });
const Proof = Type.Array(Hash, { description: 'Hashes in base 64, in the order of RFC 6962.' });

export const getLog = defineOperation({
  id: 'get-log',
  method: 'GET',
  path: '/v1/audit/log',
  tag: 'Audit',
  summary: 'Show the transparency log: its name, the keys that its checkpoints are signed with, and its newest one',
  status: 200,
  response: Closed({
    origin: Type.String({ description: 'Name of the log; checkpoints begin with it.' }),
    keys: Type.Array(Type.String({ description: 'A verifier key (c2sp.org/signed-note).' })),
    sequence: Type.Integer({ description: 'Entries that were committed.' }),
    size: Type.Integer({ description: 'Entries that the newest checkpoint covers.' }),
    checkpoint: Nullable(Type.String({ description: 'A signed note (c2sp.org/tlog-checkpoint).' })),
    witnesses: Type.Array(
      Closed({
        name: Type.String(),
        size: Nullable(Type.Integer({ description: 'Entries that it cosigned last, as far as is known.' })),
        lag: Nullable(Type.Integer({ description: 'Entries of the newest checkpoint beyond those.' })),
        lastError: Nullable(Type.String()),
        lastSeenAt: Nullable(Time),
      }),
    ),
    witnessedSize: Nullable(Type.Integer({ description: 'Entries that enough witnesses cosigned.' })),
    quorumMet: Nullable(
      Type.Boolean({ description: 'Whether that is the newest checkpoint; null where nobody witnesses this log.' }),
    ),
  }),
  errors: ['ROW_TAMPERED'],
});
export type Log = Static<(typeof getLog)['response']>;

export const getReceipt = defineOperation({
  id: 'get-receipt',
  method: 'GET',
  path: '/v1/audit/entries/{sequence}/receipt',
  tag: 'Audit',
  summary:
    'Prove one entry: a file that anybody can check offline (c2sp.org/tlog-proof); also for whoever made the entry',
  params: Closed({ sequence: Sequence }),
  query: Closed({
    level: Type.Optional(
      Type.Enum(['integrated', 'witnessed'], {
        description: 'witnessed: by a checkpoint that enough witnesses cosigned.',
      }),
    ),
  }),
  status: 200,
  response: Closed({ sequence: Type.Integer(), receipt: Type.String() }),
  errors: ['ENTRY_NOT_FOUND', 'NOT_WITNESSED', 'LOG_FORGED', 'ROW_TAMPERED', 'ENVELOPE_BROKEN', 'SEALED'],
});

export const proveInclusion = defineOperation({
  id: 'prove-inclusion',
  method: 'GET',
  path: '/v1/audit/proofs/inclusion',
  tag: 'Audit',
  summary: 'Prove that an entry lies in the log of a size; by default that of the newest checkpoint',
  query: Closed({ sequence: Sequence, size: Type.Optional(Sequence) }),
  status: 200,
  response: Closed({ index: Type.Integer(), size: Type.Integer(), leafHash: Hash, root: Hash, proof: Proof }),
  errors: ['ENTRY_NOT_FOUND'],
});

export const proveConsistency = defineOperation({
  id: 'prove-consistency',
  method: 'GET',
  path: '/v1/audit/proofs/consistency',
  tag: 'Audit',
  summary: 'Prove that the log of one size is how the log of another began; by default that of the newest checkpoint',
  query: Closed({ from: Sequence, to: Type.Optional(Sequence) }),
  status: 200,
  response: Closed({ from: Type.Integer(), to: Type.Integer(), fromRoot: Hash, toRoot: Hash, proof: Proof }),
  errors: ['ENTRY_NOT_FOUND'],
});
