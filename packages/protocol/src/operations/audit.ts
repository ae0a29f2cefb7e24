import { type Static, Type } from 'typebox';
import { UUID_PATTERN } from '../id.ts';
import { defineOperation } from '../operation.ts';
import { Closed, IdOf, Nullable, Page, PageQuery, Slug, Time } from './shapes.ts';

/** Number of an entry, from 1 on; a path or a query writes it as text. */
const Sequence = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });

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
  sideSalt: Nullable(
    Type.String({ description: 'Random bytes, hex: the leaf names SHA-256(bytes ‖ canonical JSON of the side).' }),
  ),
  sideState: Type.Enum(['none', 'shown', 'withheld', 'sealed', 'erased', 'broken'], {
    description:
      'Whether there is a side, and why it is not shown: left out, unseal first, erased, or not what was written.',
  }),
});
export type Entry = Static<typeof EntryShape>;

export const listEntries = defineOperation({
  id: 'list-entries',
  asks: [{ action: 'audit.read', at: 'installation' }],
  method: 'GET',
  path: '/v1/audit/entries',
  tag: 'Audit',
  summary: 'List ledger entries; newest first unless `order=asc`',
  query: Closed({
    action: Type.Optional(Type.String({ minLength: 1, maxLength: 63, pattern: '^[a-z-]+(\\.[a-z-]+)*$' })),
    actor: Type.Optional(Type.String({ minLength: 1, maxLength: 60, pattern: '^[a-z0-9_-]+$' })),
    subject: Type.Optional(Type.String({ minLength: 1, maxLength: 60, pattern: '^[a-z0-9_-]+$' })),
    code: Type.Optional(
      Type.String({
        ...{ minLength: 1, maxLength: 200, pattern: '^[A-Za-z0-9_,:-]+$' },
        description:
          'Reason or outcome, e.g. `key_compromise` or `REVOKED`; or what was set, e.g. `permissions` of a key, a role, scopes.',
      }),
    ),
    since: Type.Optional(Time),
    until: Type.Optional(Time),
    from: Type.Optional(Sequence),
    to: Type.Optional(Sequence),
    personal: Type.Optional(
      Type.String({
        ...{ minLength: 1, maxLength: 200, pattern: '^[^\\p{Cc}\\p{Cs}]*$' },
        description: 'A whole value in the personal part, e.g. an address.',
      }),
    ),
    about: Type.Optional(
      Type.String({
        ...{ minLength: 1, maxLength: 60, pattern: '^[a-z0-9_-]+$' },
        description: 'Goes with `personal`: id of whose data it is.',
      }),
    ),
    order: Type.Optional(Type.Enum(['asc', 'desc'], { default: 'desc' })),
    ...PageQuery,
  }),
  status: 200,
  response: Page(EntryShape),
  errors: ['INVALID_CURSOR', 'SEALED'],
});

export const eraseSubject = defineOperation({
  id: 'erase-subject',
  asks: [{ action: 'audit.erase', at: 'installation' }],
  method: 'POST',
  path: '/v1/audit/subjects/{subject}/erase',
  tag: 'Audit',
  summary: 'Erase the personal parts that entries have of a subject, for good; every proof holds as before',
  // An id and nothing else: it is entered, and entries are forever.
  params: Closed({
    subject: Type.String({ maxLength: 60, pattern: `^(?:[a-z]{2,8}_${UUID_PATTERN}|system|unknown)$` }),
  }),
  status: 200,
  response: Closed({
    subject: Type.String(),
    keys: Type.Integer({ description: 'Keys destroyed: one for each month that there was something in.' }),
    sequence: Type.Integer(),
  }),
  errors: ['CONFIRMATION_REQUIRED', 'SEALED'],
});

const ProofLevel = Type.Optional(
  Type.Enum(['integrated', 'witnessed'], {
    description: 'witnessed: by a checkpoint that enough witnesses cosigned; else by such a one where it goes so far.',
  }),
);

const Hash = Type.String({ description: 'Base 64.' });
const Proof = Type.Array(Hash, { description: 'Hashes in base 64, in the order of RFC 6962.' });

export const getLog = defineOperation({
  id: 'get-log',
  asks: [{ action: 'audit.read', at: 'installation' }],
  method: 'GET',
  path: '/v1/audit/log',
  tag: 'Audit',
  summary: 'Show the transparency log: its name, the keys that its checkpoints are signed with, and its newest one',
  status: 200,
  response: Closed({
    origin: Type.String({ description: 'Name of the log; checkpoints begin with it.' }),
    keys: Type.Array(Type.String({ description: 'A verifier key (c2sp.org/signed-note).' })),
    first: Type.Integer({ description: 'The oldest entry that is still there.' }),
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
  asks: [{ action: 'audit.read', at: 'installation', unless: 'the entry is of what you did yourself' }],
  method: 'GET',
  path: '/v1/audit/entries/{sequence}/receipt',
  tag: 'Audit',
  summary:
    'Prove one entry: a file that anybody can check offline (c2sp.org/tlog-proof); also for whoever made the entry',
  params: Closed({ sequence: Sequence }),
  query: Closed({ level: ProofLevel }),
  status: 200,
  response: Closed({ sequence: Type.Integer(), receipt: Type.String() }),
  errors: ['ENTRY_NOT_FOUND', 'NOT_WITNESSED', 'LOG_FORGED', 'ROW_TAMPERED', 'ENVELOPE_BROKEN', 'SEALED'],
});

export const proveInclusion = defineOperation({
  id: 'prove-inclusion',
  asks: [{ action: 'audit.read', at: 'installation' }],
  method: 'GET',
  path: '/v1/audit/proofs/inclusion',
  tag: 'Audit',
  summary: 'Prove that an entry lies in the log of a size; by default that of the newest checkpoint',
  query: Closed({ sequence: Sequence, size: Type.Optional(Sequence) }),
  status: 200,
  response: Closed({ index: Type.Integer(), size: Type.Integer(), leafHash: Hash, root: Hash, proof: Proof }),
  errors: ['ENTRY_NOT_FOUND', 'LOG_FORGED'],
});

export const proveRange = defineOperation({
  id: 'prove-range',
  asks: [{ action: 'audit.read', at: 'installation' }],
  method: 'GET',
  path: '/v1/audit/proofs/range',
  tag: 'Audit',
  summary: 'Prove a run of entries at once: what has to be hashed before and behind them to come to the checkpoint',
  query: Closed({ from: Sequence, to: Sequence, level: ProofLevel }),
  status: 200,
  response: Closed({
    origin: Type.String(),
    from: Type.Integer(),
    to: Type.Integer(),
    size: Type.Integer(),
    before: Proof,
    after: Proof,
    checkpoint: Type.String(),
  }),
  errors: ['ENTRY_NOT_FOUND', 'NOT_WITNESSED', 'LOG_FORGED', 'ROW_TAMPERED', 'ENVELOPE_BROKEN', 'SEALED'],
});
export type RangeProof = Static<(typeof proveRange)['response']>;

export const proveConsistency = defineOperation({
  id: 'prove-consistency',
  asks: [{ action: 'audit.read', at: 'installation' }],
  method: 'GET',
  path: '/v1/audit/proofs/consistency',
  tag: 'Audit',
  summary: 'Prove that the log of one size is how the log of another began; by default that of the newest checkpoint',
  query: Closed({ from: Sequence, to: Type.Optional(Sequence) }),
  status: 200,
  response: Closed({ from: Type.Integer(), to: Type.Integer(), fromRoot: Hash, toRoot: Hash, proof: Proof }),
  errors: ['ENTRY_NOT_FOUND', 'LOG_FORGED'],
});

export const pruneLog = defineOperation({
  id: 'prune-log',
  asks: [{ action: 'audit.prune', at: 'installation' }],
  method: 'POST',
  path: '/v1/audit/prune',
  tag: 'Audit',
  summary: 'Give up entries older than a time, in whole tiles of 256; their hashes stay, and every proof holds',
  body: Closed({ before: Time }),
  status: 200,
  response: Closed({
    upTo: Type.Integer({ description: 'Entries that are given up, from the first on.' }),
    count: Type.Integer({ description: 'How many of them this gave up.' }),
    heldBy: Nullable(
      Closed({
        id: Type.String({ description: 'The export that keeps more from being given up.' }),
        name: Slug,
        sequence: Type.Integer({ description: 'The newest entry that it has.' }),
      }),
    ),
  }),
  errors: ['CONFIRMATION_REQUIRED', 'SEALED', 'ATTEMPT_OVER', 'LOG_FORGED', 'ROW_TAMPERED', 'ENVELOPE_BROKEN'],
});

export type Pruned = Static<(typeof pruneLog)['response']>;

export const ExportShape = Closed({
  id: IdOf('logExport'),
  name: Slug,
  kind: Type.Enum(['webhook', 'file']),
  url: Nullable(Type.String()),
  personal: Type.Boolean({ description: 'Whether personal parts go with it.' }),
  sequence: Type.Integer({ description: 'The newest entry that the target has.' }),
  lag: Type.Integer({ description: 'Entries that it does not have yet.' }),
  failures: Type.Integer({ description: 'Tries in a row that failed.' }),
  lastError: Nullable(Type.String()),
  deliveredAt: Nullable(Time),
  createdAt: Time,
});
export type LogExport = Static<typeof ExportShape>;

export const createExport = defineOperation({
  id: 'create-export',
  asks: [{ action: 'audit.export', at: 'installation' }],
  method: 'POST',
  path: '/v1/audit/exports',
  tag: 'Audit',
  summary: 'Send every entry from now on, or from one on, as JSON Lines to a webhook or a file, at least once',
  body: Closed({
    name: Slug,
    kind: Type.Enum(['webhook', 'file']),
    url: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 2_000,
        pattern: '^[\\x21-\\x7e]+$',
        description: 'Where a webhook is: https://…, and http:// on the same machine alone. A file has none.',
      }),
    ),
    from: Type.Optional(Sequence),
    personal: Type.Optional(Type.Boolean()),
  }),
  status: 201,
  response: ExportShape,
  errors: ['CONFIRMATION_REQUIRED', 'EXPORT_EXISTS'],
});

export const listExports = defineOperation({
  id: 'list-exports',
  asks: [{ action: 'audit.read', at: 'installation' }],
  method: 'GET',
  path: '/v1/audit/exports',
  tag: 'Audit',
  summary: 'List where entries are sent, how far each is behind, and the key that webhooks are signed with',
  status: 200,
  response: Closed({
    publicKey: Nullable(Type.String({ description: 'Ed25519, as Standard Webhooks writes it; null while sealed.' })),
    items: Type.Array(ExportShape),
  }),
  errors: [],
});

export const removeExport = defineOperation({
  id: 'remove-export',
  asks: [{ action: 'audit.export', at: 'installation' }],
  method: 'DELETE',
  path: '/v1/audit/exports/{id}',
  tag: 'Audit',
  summary: 'Send no more entries there',
  params: Closed({ id: IdOf('logExport') }),
  status: 200,
  response: Closed({ id: IdOf('logExport') }),
  errors: ['CONFIRMATION_REQUIRED', 'EXPORT_NOT_FOUND'],
});
