import type { Quota } from '@keyhold/protocol/feed';
import type { State } from '@keyhold/protocol/state';
import type { LimitRule } from './limits.ts';
import type { PackedNetworks } from './networks.ts';
import type { PackedPermissions } from './permissions.ts';
import type { ReplicaConsumer, ReplicaCredential, ReplicaEnvironment, ReplicaKey } from './replica.ts';

/** What few keys have, so that the many don't pay for it: three words less in each of a million. */
export interface KeyExtras {
  readonly startsAt: number | null;
  readonly expiresAt: number | null;
  readonly quota: Quota | null;
  readonly metadata: Readonly<Record<string, unknown>> | null;
}

const NO_EXTRAS: KeyExtras = { startsAt: null, expiresAt: null, quota: null, metadata: null };

export function keyExtras(extras: KeyExtras): KeyExtras {
  const { startsAt, expiresAt, quota, metadata } = extras;
  const plain = startsAt === null && expiresAt === null && quota === null && metadata === null;
  return plain ? NO_EXTRAS : { startsAt, expiresAt, quota, metadata };
}

/** A key in few words. */
export class CompactKey implements ReplicaKey {
  readonly id: string;
  environment: ReplicaEnvironment;
  consumer: ReplicaConsumer;
  state: State;
  permissions: PackedPermissions;
  networks: PackedNetworks;
  rules: readonly LimitRule[];
  slot: number;
  extras: KeyExtras;

  constructor(key: Omit<ReplicaKey, keyof KeyExtras>, extras: KeyExtras) {
    this.id = key.id;
    this.environment = key.environment;
    this.consumer = key.consumer;
    this.state = key.state;
    this.permissions = key.permissions;
    this.networks = key.networks;
    this.rules = key.rules;
    this.slot = key.slot;
    this.extras = extras;
  }

  get startsAt(): number | null {
    return this.extras.startsAt;
  }

  get expiresAt(): number | null {
    return this.extras.expiresAt;
  }

  get quota(): Quota | null {
    return this.extras.quota;
  }

  get metadata(): Readonly<Record<string, unknown>> | null {
    return this.extras.metadata;
  }
}

interface Period {
  readonly startsAt: number | null;
  readonly expiresAt: number | null;
}

/** A credential in few words. */
export class CompactCredential implements ReplicaCredential {
  readonly id: string;
  readonly key: ReplicaKey;
  readonly state: State;
  readonly #period: Period | null;

  constructor(id: string, key: ReplicaKey, state: State, { startsAt, expiresAt }: Period) {
    this.id = id;
    this.key = key;
    this.state = state;
    this.#period = startsAt === null && expiresAt === null ? null : { startsAt, expiresAt };
  }

  get startsAt(): number | null {
    return this.#period === null ? null : this.#period.startsAt;
  }

  get expiresAt(): number | null {
    return this.#period === null ? null : this.#period.expiresAt;
  }
}
