import { type Static, Type } from 'typebox';
import type { DialectSettings } from './dialects/settings.ts';
import type { TotpAlgorithm } from './totp.ts';
import type { EnvironmentKind, PublicKeyAlgorithm, QuotaPeriod, Scope, State } from './state.ts';

/**
 * The feed (DESIGN §5): JSON text frames over a WebSocket at {@link FEED_PATH}, authenticated by a `feed` token.
 * The verifier speaks {@link VerifierMessage}, the control plane {@link ControlMessage}.
 */
export const FEED_PATH = '/v1/feed';

/** Longest frame that a verifier may send, in bytes. */
export const MAX_VERIFIER_FRAME_BYTES = 1024 * 1024;

const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const ShortText = Type.String({ maxLength: 200 });
const Digest = Type.String({ pattern: '^[0-9a-f]{64}$' });

/** Where a replica stands in its installation's ledger. */
export const Position = Type.Object(
  {
    installation: ShortText,
    epoch: Type.Integer({ minimum: 0, maximum: 2 ** 31 }),
    sequence: Count,
    hash: Type.Union([Digest, Type.Null()]),
  },
  { additionalProperties: false },
);
export type Position = Static<typeof Position>;

const Hello = Type.Object(
  {
    type: Type.Literal('hello'),
    version: Type.Literal(1),
    /** Random id made at the verifier's start; leases and acknowledgements belong to it. */
    verifier: Type.String({ pattern: '^ver_[0-9a-f-]{36}$' }),
    position: Type.Union([Position, Type.Null()]),
  },
  { additionalProperties: false },
);

const LeaseRequest = Type.Object({ type: Type.Literal('lease'), request: Count }, { additionalProperties: false });

const Acknowledgement = Type.Object({ type: Type.Literal('ack'), sequence: Count }, { additionalProperties: false });

const Report = Type.Object({ type: Type.Literal('report'), payload: Type.Unknown() }, { additionalProperties: false });

const Ask = Type.Object(
  { type: Type.Literal('ask'), request: Count, payload: Type.Unknown() },
  { additionalProperties: false },
);

const Bye = Type.Object({ type: Type.Literal('bye') }, { additionalProperties: false });

export const VerifierMessage = Type.Union([Hello, LeaseRequest, Acknowledgement, Report, Ask, Bye]);
export type VerifierMessage = Static<typeof VerifierMessage>;

/** What the control plane says. `records` are opaque to the feed itself. */
export type ControlMessage =
  | {
      readonly type: 'welcome';
      /** The control plane's head. */
      readonly position: Position;
      /** Its leaf hash at the verifier's own sequence; null when it has no such entry. */
      readonly hashAtYours: string | null;
      /** The newest restore that an operator accepted: a verifier fenced in an epoch before it may start anew. */
      readonly acceptedEpoch: number | null;
    }
  | {
      readonly type: 'snapshot';
      readonly position: Position;
      readonly records: readonly FeedRecord[];
      /** 0-based; a verifier takes the parts in order or not at all. */
      readonly part: number;
      /** Applied only when the last part is there: half a snapshot is no snapshot. */
      readonly last: boolean;
    }
  | {
      readonly type: 'changes';
      /** Sequence that these changes follow; a verifier standing elsewhere doesn't apply them. */
      readonly from: number;
      readonly position: Position;
      readonly records: readonly FeedRecord[];
    }
  | {
      readonly type: 'grant';
      readonly request: number;
      /** Head under the grant's lock: the leases count once this is applied. */
      readonly sequence: number;
      readonly leases: readonly LeaseGrant[];
    }
  | { readonly type: 'answer'; readonly request: number; readonly payload: unknown };

export interface LeaseGrant {
  readonly environment: string;
  readonly seconds: number;
}

/** A named GCRA limit: `limit` units in `windowSeconds`, burst `limit`. */
export interface RateLimit {
  readonly name: string;
  readonly limit: number;
  readonly windowSeconds: number;
  readonly withoutStore?: WithoutStore;
}

export interface Quota {
  readonly limit: number;
  readonly period: QuotaPeriod;
  readonly withoutStore?: WithoutStore;
}

/**
 * What becomes of a limit while the store that verifiers share can't be asked: each verifier counts for itself (the
 * default), or everything is refused.
 */
export type WithoutStore = 'count' | 'refuse';

/** What a replica holds, record by record. Times are epoch milliseconds, null for "not set". */
export type FeedRecord =
  | EnvironmentRecord
  | SettingRecord
  | SigningRecord
  | RulesRecord
  | ConsumerRecord
  | KeyRecord
  | AddressBookRecord
  | FactorRecord
  | PasskeyRecord
  | CredentialRecord
  | SignatureKeyRecord
  | TokenRecord
  | RemovedRecord;

export interface EnvironmentRecord {
  readonly kind: 'environment';
  readonly id: string;
  readonly projectId: string;
  /** Slug. */
  readonly project: string;
  readonly name: string;
  readonly prefix: string;
  readonly environmentKind: EnvironmentKind;
  readonly afterLease: AfterLease;
}

/** What verifiers do when their lease is over: refuse, or serve and say `stale`. */
export type AfterLease = 'refuse' | 'serve';

/**
 * How long after its lease a verifier serves stale, at most. The control plane counts as unconfirmed whoever may still do
 * so, and has to remember him for at least as long.
 */
export const MAX_STALE_MS = 24 * 3_600_000;

export interface SettingRecord {
  readonly kind: 'setting';
  readonly id: string;
  readonly environment: string;
  readonly permission: string;
  readonly confirm: 'online' | null;
  readonly audit: 'every-use' | null;
}

/** How requests of an environment may be signed. */
export interface SigningRecord {
  readonly kind: 'signing';
  readonly id: string;
  readonly environment: string;
  /** In the order in which they are tried. */
  readonly dialects: readonly DialectSettings[];
  readonly replay: ReplayGuarding;
  readonly replayReads: 'refuse' | 'allow';
}

/**
 * Who remembers what was sent already: a store that all verifiers share, or each verifier by itself, which is exact
 * only where there is one.
 */
export type ReplayGuarding = 'shared' | 'verifier';

/** What keys of an environment have to be like, beyond what each says of itself. */
export interface RulesRecord {
  readonly kind: 'rules';
  readonly id: string;
  readonly environment: string;
  /** Permissions that take networks, an address book, and in each request a destination of it. */
  readonly withdrawals: readonly string[];
  /** Permissions that lapse so many days after a key was issued or began, where no network restricts it. */
  readonly withoutNetworks: { readonly permissions: readonly string[]; readonly days: number } | null;
  /** Permissions each use of which takes a second factor of the consumer. */
  readonly secondFactor: readonly string[];
}

/** Where a key may send funds to. */
export interface AddressBookRecord {
  readonly kind: 'address-book';
  readonly id: string;
  readonly key: string;
  readonly addresses: readonly string[];
}

export interface ConsumerRecord {
  readonly kind: 'consumer';
  readonly id: string;
  readonly rateLimits: readonly RateLimit[];
}

export interface KeyRecord {
  readonly kind: 'key';
  readonly id: string;
  readonly environment: string;
  readonly consumer: string;
  readonly state: State;
  readonly startsAt: number | null;
  readonly expiresAt: number | null;
  readonly permissions: readonly string[];
  readonly networks: readonly string[];
  readonly rateLimits: readonly RateLimit[];
  readonly quota: Quota | null;
  /** Units of the period that contains `at` already reported by verifiers; only in snapshots. */
  readonly quotaUsed?: { readonly at: number; readonly used: number };
  readonly metadata: Readonly<Record<string, unknown>> | null;
}

export interface CredentialRecord {
  readonly kind: 'credential';
  readonly id: string;
  readonly key: string;
  /** Lower-case hex SHA-256 of the whole credential. */
  readonly digest: string;
  readonly state: State;
  readonly startsAt: number | null;
  readonly expiresAt: number | null;
}

/** What a signed credential is verified with: the consumer's public key, or the secret, encrypted. */
export type SignatureKeyRecord = {
  readonly kind: 'signature-key';
  readonly id: string;
  readonly credential: string;
} & SignatureKeyMaterial;

export type SignatureKeyMaterial =
  | {
      readonly algorithm: PublicKeyAlgorithm;
      /** SubjectPublicKeyInfo (RFC 5280 §4.1), DER as lower-case hex. */
      readonly publicKey: string;
    }
  | {
      readonly algorithm: 'hmac';
      /** Opens under {@link vaultKey} and nowhere else; hex. */
      readonly envelope: string;
      readonly vaultKey: string;
    };

/** A second factor of a consumer in one environment. */
export type FactorRecord = {
  readonly kind: 'factor';
  readonly id: string;
  readonly environment: string;
  readonly consumer: string;
} & FactorMaterial;

/** One-time codes by time (RFC 6238). */
export interface TotpMaterial {
  readonly type: 'totp';
  readonly algorithm: TotpAlgorithm;
  /** Time step of the code that confirmed it: that one and those before it are used. */
  readonly usedStep: number;
  /** The shared secret; opens under {@link vaultKey} and nowhere else; hex. */
  readonly envelope: string;
  readonly vaultKey: string;
}

/** A passkey; what it is verified with is a record of its own. */
export interface PasskeyMaterial {
  readonly type: 'passkey';
}

export type FactorMaterial = TotpMaterial | PasskeyMaterial;

/** What a passkey is verified with. */
export interface PasskeyRecord {
  readonly kind: 'passkey';
  readonly id: string;
  /** Id of the factor that it is. */
  readonly factor: string;
  /** Of whom it was made, and where it may be used (WebAuthn §4, §13.4.9). */
  readonly rpId: string;
  readonly origins: readonly string[];
  /** base64url. */
  readonly credentialId: string;
  /** COSE_Key (RFC 9052 §7), hex. */
  readonly publicKey: string;
}

export interface TokenRecord {
  readonly kind: 'token';
  readonly id: string;
  readonly digest: string;
  readonly scopes: readonly Scope[];
  /** Project ids that it is bound to; null for all. */
  readonly projects: readonly string[] | null;
  /** Environment id that it is bound to; null for all of its projects. */
  readonly environment: string | null;
  readonly state: State;
  readonly expiresAt: number | null;
}

/** Takes a record out of the replica: withheld because its row was tampered with, or gone. */
export interface RemovedRecord {
  readonly kind: 'removed';
  readonly id: string;
}
