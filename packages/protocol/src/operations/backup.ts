import { type Static, Type } from 'typebox';
import { defineOperation } from '../operation.ts';
import { Closed, IdOf, Nullable } from './shapes.ts';

/** `POST /v1/backup` answers with a stream of bytes, so it is no operation like the others. */
export const BackupRequestShape = Closed({
  recipients: Type.Array(Type.String({ minLength: 50, maxLength: 4096, pattern: '^age1[0-9a-z]+$' }), {
    minItems: 1,
    maxItems: 20,
    uniqueItems: true,
    description: 'age public keys; any one of their identities opens the backup.',
  }),
});
export type BackupRequest = Static<typeof BackupRequestShape>;

const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

/** What a drill goes through, and may fail in. */
export const DRILL_STEPS = ['restore', 'seal', 'envelopes', 'sides'] as const;
export type DrillStep = (typeof DRILL_STEPS)[number];

/** What a drill found; null is what it did not come to. */
const DrillShape = Closed({
  installation: Nullable(IdOf('installation')),
  sequence: Nullable(Count),
  hash: Nullable(Type.String({ pattern: '^[0-9a-f]{64}$' })),
  rows: Nullable(Count),
  envelopes: Nullable(Count),
  sides: Nullable({ ...Count, description: 'Entries whose personal parts were opened.' }),
  failed: Nullable({
    ...Type.Enum([...DRILL_STEPS]),
    description: 'In what; null where it would have served.',
  }),
});
export type Drill = Static<typeof DrillShape>;

export const recordDrill = defineOperation({
  id: 'record-drill',
  asks: [{ action: 'backup.create', at: 'installation' }],
  method: 'POST',
  path: '/v1/backup/drills',
  tag: 'Backup',
  summary: 'Enter that a backup was restored beside and opened, and what was found',
  body: DrillShape,
  status: 201,
  response: Closed({ sequence: Type.Integer() }),
  errors: [],
});
