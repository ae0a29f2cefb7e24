import { type Static, type TProperties, Type } from 'typebox';
import { VERDICT_CODES } from './verdict.ts';

/** What travels in the feed's `report`, `ask` and `answer`: opaque to the feed, agreed on by its two ends. */

const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
/** The end of the year 9999: later times have no RFC 3339 form. */
const Time = Type.Integer({ minimum: 0, maximum: Date.UTC(10_000, 0, 1) - 1 });
/** Of one verifier between two reports; more is not counted. */
export const MAX_USES = 1_000_000_000;
const Uses = Type.Integer({ minimum: 0, maximum: MAX_USES });
const Id = Type.String({ maxLength: 60, pattern: '^[A-Za-z0-9_-]*$' });
const Ip = Type.Union([Type.String({ maxLength: 45 }), Type.Null()]);
/** In CIDR notation: 24 bits of IPv4, 48 of IPv6. */
const Network = Type.Union([Type.String({ maxLength: 49, pattern: '^[0-9a-f.:]+/(24|48)$' }), Type.Null()]);
const MAX_NETWORKS = 20;
/** Of one list. */
export const MAX_ITEMS = 20_000;
/** Of one report; who finds more has seen enough to be told. */
export const MAX_BROKEN = 100;

const item = <T extends TProperties>(properties: T) => Type.Object(properties, { additionalProperties: false });

/** What each list of a report holds. An item that can't be read counts for nothing, and costs no other. */
export const USAGE_ITEMS = {
  credentials: item({
    ...{ id: Id, count: Uses, lastAt: Time, lastIp: Ip },
    networks: Type.Array(item({ network: Network, count: Uses }), { maxItems: MAX_NETWORKS }),
  }),
  /** `used`: as far as the verifier knows; `own`: by itself, where it was handed slices of the period. */
  quotas: item({ key: Id, periodStart: Time, used: Count, own: Type.Optional(Count) }),
  denials: item({ environment: Id, code: Type.Enum([...VERDICT_CODES]), count: Uses }),
  /** Refusals of credentials that are known, by network; they are among the denials too. */
  refused: item({ id: Id, code: Type.Enum([...VERDICT_CODES]), network: Network, count: Uses }),
  /** Tokens that asked for verdicts; the bootstrap token's use becomes an entry. */
  tokens: Id,
  /** Credentials and factors whose secret does not open where it lies: each is an alarm. */
  broken: Id,
};

/** Usage since the last report, counted in a verifier's memory; lost reports lose counts, never facts. */
export const UsageReport = Type.Object(
  {
    credentials: Type.Array(USAGE_ITEMS.credentials, { maxItems: MAX_ITEMS }),
    quotas: Type.Array(USAGE_ITEMS.quotas, { maxItems: MAX_ITEMS }),
    denials: Type.Array(USAGE_ITEMS.denials, { maxItems: MAX_ITEMS }),
    refused: Type.Array(USAGE_ITEMS.refused, { maxItems: MAX_ITEMS }),
    tokens: Type.Array(USAGE_ITEMS.tokens, { maxItems: MAX_ITEMS }),
    broken: Type.Optional(Type.Array(USAGE_ITEMS.broken, { maxItems: MAX_BROKEN })),
    /** Uses, and refusals of credentials that are known, which the verifier could not tell apart; missing where none. */
    uncounted: Type.Optional(Uses),
  },
  { additionalProperties: false },
);
export type UsageReport = Static<typeof UsageReport>;

/** Longest base that is kept whole. */
export const MAX_EVIDENCE_BYTES = 8 * 1024;
const Base64 = (maxLength: number) => Type.String({ maxLength, pattern: '^[A-Za-z0-9+/]*={0,2}$' });

/** What was signed, and the signature: verifiable with the credential's public key alone. */
export const SignatureEvidence = Type.Object(
  {
    dialect: Type.String({ maxLength: 40 }),
    base: Type.Optional(Base64(2 * MAX_EVIDENCE_BYTES)),
    /** SHA-256 of a longer base, hex. */
    baseDigest: Type.Optional(Type.String({ pattern: '^[0-9a-f]{64}$' })),
    signature: Base64(2048),
  },
  { additionalProperties: false },
);
export type SignatureEvidence = Static<typeof SignatureEvidence>;

/** Asks the control plane to decide, and with `record` to enter the use before it answers. */
export const OnlineQuestion = Type.Object(
  {
    credential: Id,
    environment: Id,
    permission: Type.Union([Type.String({ maxLength: 1024 }), Type.Null()]),
    clientIp: Ip,
    destination: Type.Optional(Type.String({ maxLength: 200 })),
    record: Type.Boolean(),
    evidence: Type.Optional(SignatureEvidence),
  },
  { additionalProperties: false },
);
export type OnlineQuestion = Static<typeof OnlineQuestion>;

/** Periods of keys that one question may name. */
export const MAX_QUOTA_SLICES = 1_000;

/**
 * Asks for units of quotas, or gives some back: what the verifier may use of each period as it knows it, and what it
 * wants beyond. Questions of one verifier are numbered, and an older one changes nothing.
 */
export const QuotaQuestion = Type.Object(
  {
    turn: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
    quotas: Type.Array(
      Type.Object(
        { key: Id, periodStart: Time, granted: Count, used: Count, wanted: Count },
        { additionalProperties: false },
      ),
      { minItems: 1, maxItems: MAX_QUOTA_SLICES },
    ),
  },
  { additionalProperties: false },
);
export type QuotaQuestion = Static<typeof QuotaQuestion>;

/** What it may use now, and what all verifiers have used; a key is left out that has no such quota. */
export const QuotaAnswer = Type.Object(
  {
    quotas: Type.Array(Type.Object({ key: Id, granted: Count, usedByAll: Count }, { additionalProperties: false })),
  },
  { additionalProperties: false },
);
export type QuotaAnswer = Static<typeof QuotaAnswer>;

/** Asks for a key under which secrets of `hmac` credentials lie, wrapped to the verifier that asks. */
export const DistributionKeyQuestion = Type.Object(
  {
    distributionKey: Id,
    /** The verifier's own public key: RSA, SubjectPublicKeyInfo, DER as hex. */
    wrapTo: Type.String({ maxLength: 2048, pattern: '^[0-9a-f]+$' }),
  },
  { additionalProperties: false },
);
export type DistributionKeyQuestion = Static<typeof DistributionKeyQuestion>;

/** What the wrapping of a distribution key is labelled with. */
export function distributionLabel(keyId: string): string {
  return `keyhold/v1/distribution-key/${keyId}`;
}

/** RSA-OAEP with SHA-256 (RFC 8017 §7.1) under {@link distributionLabel}. */
export const DistributionKeyAnswer = Type.Union([
  Type.Object(
    {
      version: Type.Integer({ minimum: 1 }),
      wrapped: Type.String({ maxLength: 2048, pattern: '^[0-9a-f]+$' }),
    },
    { additionalProperties: false },
  ),
  Type.Object({ refused: Type.String() }, { additionalProperties: false }),
]);
export type DistributionKeyAnswer = Static<typeof DistributionKeyAnswer>;

/** Its answer: a verdict code by the committed state. */
export const OnlineAnswer = Type.Object({ code: Type.Enum([...VERDICT_CODES]) }, { additionalProperties: false });
export type OnlineAnswer = Static<typeof OnlineAnswer>;
