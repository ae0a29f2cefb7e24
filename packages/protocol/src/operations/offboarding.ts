import { type Static, Type } from 'typebox';
import { ID_PREFIXES, UUID_PATTERN } from '../id.ts';
import { defineOperation } from '../operation.ts';
import { DeliverTo, DeliveryShape } from './deliveries.ts';
import { BarrierShape, Closed, IdOf, Name, Nullable, Page, PageQuery, Slug, Time } from './shapes.ts';

/** Whoever can be off-boarded: somebody, or a service by its token, its workload or its AppRole. */
const Leaver = Type.String({
  pattern: `^(?:${ID_PREFIXES.person}|${ID_PREFIXES.token}|${ID_PREFIXES.workload}|${ID_PREFIXES.appRole})_${UUID_PATTERN}$`,
  maxLength: 60,
  description: 'Id of a person, of a token, of a workload or of an AppRole.',
});

export const EXPOSURE_KINDS = [
  ...(['secret', 'key', 'token', 'factor', 'workload', 'app-secret'] as const),
  ...(['person', 'log-export', 'sign-on', 'seal'] as const),
] as const;
export type ExposureKind = (typeof EXPOSURE_KINDS)[number];

const REMEDIES = [
  ...(['rotate', 'store-anew', 'elsewhere', 'revoke', 'enrol-anew'] as const),
  ...(['remove', 'review', 'change-seal'] as const),
] as const;

/** Something that somebody came to know, by the log. */
export const ExposureShape = Closed({
  kind: Type.Enum([...EXPOSURE_KINDS]),
  id: Type.String({ description: 'Of the key, the stored secret, the token, …' }),
  part: Nullable(Type.String({ description: 'Id of the credential, or number of the version, that was shown.' })),
  how: Type.Array(Type.String({ description: 'Actions by which it was shown, e.g. `secret.revealed`.' })),
  by: Type.Array(Type.String({ description: 'Who it was shown to: himself, or a token that he made.' })),
  first: Type.Integer({ description: 'The first entry that says so.' }),
  last: Type.Integer({ description: 'The last one.' }),
  times: Type.Integer(),
  name: Nullable(Type.String({ description: 'What it is called; null for whoever may not read it.' })),
  project: Nullable(Slug),
  environment: Nullable(Slug),
  state: Type.Enum(['stands', 'ending', 'over'], {
    description: 'Whether what was shown still opens something; `ending`: until `endsAt`, and another took its place.',
  }),
  endsAt: Nullable(Time),
  remedy: Nullable(
    Type.Enum([...REMEDIES], {
      description: 'What ends it, while it stands; `elsewhere`: where it opens something, since nothing of it is here.',
    }),
  ),
});
export type Exposure = Static<typeof ExposureShape>;

export const OffboardingShape = Closed({
  id: IdOf('offboarding'),
  of: Type.String(),
  name: Nullable(Type.String()),
  by: Type.String({ description: 'Who off-boarded him.' }),
  reason: Type.String(),
  state: Type.Enum(['ending', 'done'], { description: '`ending`: it goes on by itself, and is done within a minute.' }),
  kept: Type.Array(Type.String({ description: 'What he made that goes on.' })),
  exposures: Type.Integer({ description: 'How many things he knew; 0 while it is ending.' }),
  listDigest: Nullable(
    Type.String({ description: 'SHA-256 of the list as lines of canonical JSON, as its entry says.' }),
  ),
  sequence: Nullable(Type.Integer({ description: 'Of that entry; null where it was pruned.' })),
  from: Type.Integer({ description: 'The list is of entries from this one on: the oldest that the log still had.' }),
  to: Type.Integer({ description: 'Up to this one.' }),
  unattributed: Type.Array(Type.String(), {
    description: 'Tokens and workloads that are older than the log, so that nobody knows whether he made them.',
  }),
  createdAt: Time,
  finishedAt: Nullable(Time),
});
export type Offboarding = Static<typeof OffboardingShape>;

const Params = Closed({ id: IdOf('offboarding') });
const Answer = Closed({ offboarding: OffboardingShape });

export const listExposures = defineOperation({
  id: 'list-exposures',
  asks: [{ action: 'audit.read', at: 'installation' }],
  method: 'GET',
  path: '/v1/exposures',
  tag: 'Off-boarding',
  summary: 'List what somebody came to know, oldest first: what he was shown, and what tokens that he made were shown',
  query: Closed({ of: Leaver, ...PageQuery }),
  status: 200,
  response: Page(ExposureShape),
  errors: ['PERSON_NOT_FOUND', 'TOKEN_NOT_FOUND', 'WORKLOAD_NOT_FOUND', 'INVALID_CURSOR'],
});

export const createOffboarding = defineOperation({
  id: 'create-offboarding',
  asks: [{ action: 'people.offboard', at: 'installation' }],
  method: 'POST',
  path: '/v1/offboardings',
  tag: 'Off-boarding',
  summary: 'End all that a person or a service has, and all tokens and workloads made by it; and list what it knows',
  body: Closed({
    of: Leaver,
    reason: { ...Name, description: 'Why; for whoever reads the evidence.' },
    keep: Type.Optional(
      Type.Array(Type.String({ maxLength: 60, pattern: '^[a-z]+_[0-9a-f-]+$' }), {
        maxItems: 100,
        uniqueItems: true,
        description: 'Tokens and workloads that he made which go on; they stand in the list.',
      }),
    ),
  }),
  status: 201,
  response: Closed({ offboarding: OffboardingShape, barrier: BarrierShape }),
  errors: ['PERSON_NOT_FOUND', 'TOKEN_NOT_FOUND', 'WORKLOAD_NOT_FOUND', 'LAST_OWNER', 'ROW_TAMPERED'],
});

export const listOffboardings = defineOperation({
  id: 'list-offboardings',
  asks: [{ action: 'audit.read', at: 'installation' }],
  method: 'GET',
  path: '/v1/offboardings',
  tag: 'Off-boarding',
  summary: 'List who was off-boarded, newest first',
  query: Closed(PageQuery),
  status: 200,
  response: Page(OffboardingShape),
  errors: ['INVALID_CURSOR'],
});

export const getOffboarding = defineOperation({
  id: 'get-offboarding',
  asks: [{ action: 'audit.read', at: 'installation' }],
  method: 'GET',
  path: '/v1/offboardings/{id}',
  tag: 'Off-boarding',
  summary: 'Show one off-boarding',
  params: Params,
  status: 200,
  response: Answer,
  errors: ['OFFBOARDING_NOT_FOUND'],
});

export const listOffboardingExposures = defineOperation({
  id: 'list-offboarding-exposures',
  asks: [{ action: 'audit.read', at: 'installation' }],
  method: 'GET',
  path: '/v1/offboardings/{id}/exposures',
  tag: 'Off-boarding',
  summary: 'List what he knew when he left, in the order of the evidence, and whether it still opens something',
  params: Params,
  query: Closed(PageQuery),
  status: 200,
  response: Page(ExposureShape),
  errors: ['OFFBOARDING_NOT_FOUND', 'INVALID_CURSOR'],
});

export const rotateExposed = defineOperation({
  id: 'rotate-exposed',
  asks: [
    { action: 'audit.read', at: 'installation' },
    { action: 'people.offboard', at: 'installation' },
  ],
  method: 'POST',
  path: '/v1/offboardings/{id}/rotate',
  tag: 'Off-boarding',
  summary: 'Rotate every key that he knew and that still stands, and mark stored secrets as due; up to 1,000 at a time',
  params: Params,
  body: Closed({
    overlapSeconds: Type.Integer({ minimum: 0, maximum: 365 * 86_400, description: 'How long both are valid.' }),
    deliverTo: DeliverTo,
  }),
  status: 200,
  response: Closed({
    rotated: Type.Array(
      Closed({
        key: IdOf('key'),
        consumer: IdOf('consumer'),
        credential: IdOf('credential'),
        delivery: Type.Union([...DeliveryShape.anyOf, Type.Null()], {
          description:
            'Null: the key had that one already, of which the log does not say that he may know it; only the others have ended.',
        }),
        sequence: Type.Integer({ description: 'The entry of the rotation.' }),
      }),
    ),
    due: Type.Array(IdOf('secret'), { description: 'Stored secrets that were marked: they wait for a new version.' }),
    refused: Type.Array(Closed({ id: Type.String(), code: Type.String(), detail: Type.String() }), {
      description: 'What the caller may not rotate, or could not; the first 1,000 of them.',
    }),
    remaining: Type.Integer({ description: 'Keys and secrets that were not come to: call again.' }),
    byHand: Type.Integer({ description: 'What stands and takes something else: see `remedy` in the list.' }),
    barrier: Nullable(BarrierShape),
  }),
  errors: ['CONFIRMATION_REQUIRED', 'OFFBOARDING_NOT_FOUND', 'ILLEGAL_TRANSITION', 'ROW_TAMPERED', 'SEALED'],
});
