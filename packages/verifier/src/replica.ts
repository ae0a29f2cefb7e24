import type {
  AfterLease,
  FactorRecord,
  PasskeyRecord,
  FeedRecord,
  Quota,
  RulesRecord,
  SignatureKeyRecord,
  SigningRecord,
} from '@keyhold/protocol/feed';
import type { Scope, State } from '@keyhold/protocol/state';
import type { LimitHolder, SlotTable } from './limits.ts';
import type { Address } from './networks.ts';
import type { Grantee } from './permissions.ts';

/**
 * Everything a verifier needs to decide, in memory. Implementations may pack it as they like: what they hand out is
 * read in the same synchronous step, and not kept.
 */
export interface Replica {
  /** By `project/environment`. */
  environment(qualifiedName: string): ReplicaEnvironment | undefined;
  environments(): Iterable<ReplicaEnvironment>;
  /** By the SHA-256 of the whole credential in the form of `digest.ts`. Good until the next look-up. */
  credential(digest: string): ReplicaCredential | undefined;
  key(id: string): ReplicaKey | undefined;
  /** A credential that signs, by its id. Good until the next look-up. */
  signer(id: string): ReplicaCredential | undefined;
  /** What a credential that signs is verified with, by the credential's id. */
  signatureKey(credential: string): SignatureKeyRecord | undefined;
  /** Second factors of a consumer in an environment, by their ids. */
  factors(environment: string, consumer: string): readonly FactorRecord[];
  hasFactor(id: string): boolean;
  /** What the passkey of a factor is verified with. */
  passkey(factor: string): PasskeyRecord | undefined;
  /** Ids of the keys under which the secrets of `hmac` credentials and second factors lie. */
  readonly distributionKeys: ReadonlySet<string>;
  token(digest: string): ReplicaToken | undefined;
  /** State of limits and quotas. */
  readonly slots: SlotTable;
  /** Applies one record, an upsert by id. */
  apply(record: FeedRecord): void;
  /** An empty replica that shares this one's limit and quota state with the keys it is given. */
  successor(): Replica;
  /** Ends the predecessor: from now on this one alone holds the state. */
  takeOver(): void;
  /** Gives up a successor that never took over: its slots are given back. */
  abandon(): void;
  /** Live credentials held. */
  readonly size: number;
}

export interface ReplicaEnvironment {
  readonly id: string;
  readonly projectId: string;
  readonly project: string;
  readonly name: string;
  readonly qualifiedName: string;
  readonly prefix: string;
  readonly afterLease: AfterLease;
  /** How requests may be signed; null: not at all. */
  readonly signing: SigningRecord | null;
  /** What its keys have to be like; null: whatever they are. */
  readonly rules: RulesRecord | null;
  /** Permission settings by id. */
  readonly settings: Map<string, ReplicaSetting>;
}

export interface ReplicaSetting {
  readonly resource: string;
  readonly action: string;
  readonly confirm: boolean;
  readonly everyUse: boolean;
}

export interface ReplicaConsumer extends LimitHolder {
  readonly id: string;
}

/** When it begins and ends by itself, epoch milliseconds; null: it doesn't. */
export interface Period {
  readonly startsAt: number | null;
  readonly expiresAt: number | null;
}

export const NO_PERIOD: Period = { startsAt: null, expiresAt: null };

export interface ReplicaKey extends LimitHolder, Period, Grantee {
  readonly id: string;
  readonly environment: ReplicaEnvironment;
  readonly consumer: ReplicaConsumer;
  readonly consumerId: string;
  readonly state: State;
  readonly permissions: readonly string[];
  /** True when no network restricts it. */
  readonly anywhere: boolean;
  /** True when its networks keep nobody out: there are none, or they have all usable addresses of a family. */
  readonly isOpen: boolean;
  /** True when the address lies in one of its networks. */
  allowsAddress(address: Address): boolean;
  /** Its state follows the limits' slots: period start, units used. */
  readonly quota: Quota | null;
  readonly metadata: Readonly<Record<string, unknown>> | null;
  /** True when funds may be sent there. */
  allowsDestination(address: string): boolean;
}

export interface ReplicaCredential extends Period {
  /** A note of {@link Usage}, kept beside what a verification reads anyway: 32 bits, 0 for a credential that is new. */
  tally: number;
  readonly id: string;
  readonly key: ReplicaKey;
  readonly state: State;
}

export interface ReplicaToken {
  readonly id: string;
  readonly scopes: readonly Scope[];
  readonly projects: readonly string[] | null;
  readonly environment: string | null;
  readonly state: State;
  readonly expiresAt: number | null;
}
