import { type Static, type TSchema, Type } from 'typebox';
import { exampleId, type IdKind, idPattern } from '../id.ts';
import { PERMISSION_PATTERN } from '../permission.ts';
import { QUOTA_PERIODS } from '../state.ts';

/** Shapes that several operations share. Every string refuses control characters and lone surrogates. */

const PRINTABLE = '^[^\\p{Cc}\\p{Cs}]*$';

/** Days that there are: who reads 02-30 as March 2 lets a key live longer than it was said to. */
const DAY =
  '(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))' +
  '|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)';
const MINUTES = '(?:[01][0-9]|2[0-3]):[0-5][0-9]';
const RFC3339 = `^${DAY}T${MINUTES}:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]${MINUTES})$`;

/** An object that takes no other fields. */
export function Closed<const P extends Record<string, TSchema>>(properties: P) {
  return Type.Object(properties, { additionalProperties: false });
}

export const Nullable = <S extends TSchema>(schema: S) => Type.Union([schema, Type.Null()]);

export const IdOf = (kind: IdKind) =>
  Type.String({ pattern: idPattern(kind), maxLength: 60, description: `An id such as ${exampleId(kind)}` });

/** Any text a person may give a thing. */
export const Name = Type.String({
  minLength: 1,
  maxLength: 200,
  pattern: PRINTABLE,
  description: 'Any text on one line.',
});

export const Slug = Type.String({
  minLength: 1,
  maxLength: 63,
  pattern: '^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$',
  description: 'Lower-case letters, digits and inner hyphens.',
});

export const ExternalId = Type.String({
  minLength: 1,
  maxLength: 200,
  pattern: PRINTABLE,
  description: 'Any text on one line; yours, for what you know it by.',
});

/** RFC 3339; answers are in UTC with milliseconds. */
export const Time = Type.String({
  maxLength: 40,
  pattern: RFC3339,
  description: 'RFC 3339, such as 2030-01-31T12:00:00Z',
});

export const Permission = Type.String({
  maxLength: 127,
  pattern: PERMISSION_PATTERN,
  description: '`resource:action`; either segment may be `*`.',
});

export const Permissions = Type.Array(Permission, { maxItems: 100, uniqueItems: true });

const Network = Type.String({
  minLength: 2,
  maxLength: 49,
  pattern: '^[0-9A-Fa-f.:/]+$',
  description: 'A network such as 192.0.2.0/24, or one address.',
});

export const Networks = Type.Array(Network, {
  maxItems: 100,
  uniqueItems: true,
  description: 'IPv4 or IPv6 networks in CIDR notation, or single addresses. Empty: from anywhere.',
});

const WithoutStore = Type.Enum(['count', 'refuse'], {
  description:
    'While the store that verifiers share cannot be asked: each verifier counts for itself (the default), or everything is refused. A verifier without one counts for itself.',
});

export const RateLimitShape = Closed({
  name: Type.String({
    minLength: 1,
    maxLength: 63,
    pattern: '^[a-z0-9][a-z0-9_.-]*$',
    description: 'Lower-case letters, digits, `_`, `.` and `-`.',
  }),
  limit: Type.Integer({ minimum: 1, maximum: 1_000_000_000 }),
  windowSeconds: Type.Integer({ minimum: 1, maximum: 31 * 86_400 }),
  withoutStore: Type.Optional(WithoutStore),
});

/** Compared as they are: two ways to write one address are two addresses. */
const Destination = Type.String({
  minLength: 1,
  maxLength: 200,
  pattern: '^[!-~]+$',
  description: 'Visible ASCII characters.',
});

export const AddressBook = Type.Array(Destination, {
  maxItems: 100,
  uniqueItems: true,
  description: 'Addresses that funds may be sent to; compared letter by letter.',
});

export const RateLimits = Type.Array(RateLimitShape, { maxItems: 8, description: 'Names must differ.' });

export const QuotaShape = Closed({
  limit: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
  period: Type.Enum([...QUOTA_PERIODS], { description: 'Begins on the minute, hour, day or month of UTC.' }),
  withoutStore: Type.Optional(WithoutStore),
});

/** Not a record by pattern: `.` in a pattern knows no line feed, and what no pattern knows escapes its bounds. */
export const Metadata = Type.Unsafe<Record<string, unknown>>({
  type: 'object',
  additionalProperties: true,
  maxProperties: 50,
  description: 'A JSON object, at most 4 KiB and 5 levels deep. Returned with each verdict; never put a secret here.',
});

export const Cursor = Type.String({
  minLength: 1,
  maxLength: 500,
  pattern: '^[A-Za-z0-9_-]+$',
  description: 'The `nextCursor` of the page before.',
});

export const PageQuery = {
  cursor: Type.Optional(Cursor),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, default: 50 })),
};

const NextCursor = Nullable(
  Type.String({
    description: 'Null on the last page alone: one before it may be short, or empty, where much is searched.',
  }),
);

/** One page of a list; `nextCursor` is null on the last. */
export function Page<S extends TSchema>(item: S) {
  return Closed({ items: Type.Array(item), nextCursor: NextCursor });
}

/** How a taking-away was confirmed before the answer left (DESIGN §5). */
export const BarrierShape = Closed({
  sequence: Type.Integer({ description: 'The entry that took away.' }),
  acknowledged: Type.Integer({ description: 'Verifiers that applied it.' }),
  waitedOut: Type.Integer({ description: 'Verifiers whose lease was waited out.' }),
  unconfirmed: Type.Integer({
    description:
      'Verifiers that may serve stale, for 24 hours after their lease; above 0 only with `afterLease: serve`.',
  }),
  elapsedMs: Type.Number(),
});
export type Barrier = Static<typeof BarrierShape>;

/** What an app is to be shown, and what has to come back with a code of it. */
export const TotpOffer = Closed({
  secret: Type.String({ description: 'Base32.' }),
  uri: Type.String({ description: 'The same as an app reads it from a QR code.' }),
  challenge: Type.String(),
});
