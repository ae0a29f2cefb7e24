import type {
  ConsumerRecord,
  CredentialRecord,
  EnvironmentRecord,
  FactorRecord,
  FeedRecord,
  KeyRecord,
  PasskeyRecord,
  Quota,
  RateLimit,
  RulesRecord,
  SettingRecord,
  SignatureKeyRecord,
  SigningRecord,
  TokenRecord,
} from '@keyhold/protocol/feed';
import { ID_PREFIXES } from '@keyhold/protocol/id';
import { digestFromHex } from './digest.ts';
import { ConsumerTable } from './consumer-table.ts';
import { CredentialTable } from './credential-table.ts';
import { FactorTable } from './factor-table.ts';
import { KeyTable } from './key-table.ts';
import { type LimitRule, limitRules, SLOTS_PER_LIMIT, SlotTable, writeLimits } from './limits.ts';
import { packNetworks } from './networks.ts';
import { packPermissions } from './permissions.ts';
import { periodStart } from './quotas.ts';
import { SignatureKeyTable } from './signature-key-table.ts';
import type {
  Replica,
  ReplicaConsumer,
  ReplicaCredential,
  ReplicaEnvironment,
  ReplicaKey,
  ReplicaToken,
} from './replica.ts';

/** Slots of a quota, behind those of the limits: period start, units used. */
const QUOTA_SLOTS = 2;
/** Distinct settings that are shared; past it sharing starts anew, which costs memory and nothing else. */
const MAX_INTERNED = 10_000;

/** Of rules that were tampered with: everything is a withdrawal, and has to have a destination that is allowed. */
const UNREADABLE_RULES: RulesRecord = {
  kind: 'rules',
  id: '',
  environment: '',
  withdrawals: ['*:*'],
  withoutNetworks: null,
  secondFactor: ['*:*'],
};

/** Keys and credentials in tables of a few cache lines a row, with whatever keys have in common held once. */
export class CompactReplica implements Replica {
  readonly slots: SlotTable;
  readonly #environments = new Map<string, ReplicaEnvironment>();
  readonly #environmentsByName = new Map<string, ReplicaEnvironment>();
  readonly #consumers = new ConsumerTable();
  readonly #keys = new KeyTable(this.#consumers);
  readonly #credentials = new CredentialTable(this.#keys);
  /** Never shrinks in a replica: keys are replaced once in months, and a snapshot begins anew. */
  readonly distributionKeys = new Set<string>();
  readonly #signatureKeys = new SignatureKeyTable(this.distributionKeys);
  readonly #factors = new FactorTable(this.distributionKeys);
  readonly #tokens = new Map<string, ReplicaToken>();
  readonly #interned = new Map<string, unknown>();
  #predecessor: CompactReplica | null;

  constructor(predecessor: CompactReplica | null = null) {
    this.#predecessor = predecessor;
    this.slots = predecessor?.slots ?? new SlotTable();
  }

  get size(): number {
    return this.#credentials.size;
  }

  environment(qualifiedName: string): ReplicaEnvironment | undefined {
    return this.#environmentsByName.get(qualifiedName);
  }

  environments(): Iterable<ReplicaEnvironment> {
    return this.#environments.values();
  }

  credential(digest: string): ReplicaCredential | undefined {
    return this.#credentials.get(digest);
  }

  key(id: string): ReplicaKey | undefined {
    return this.#keys.get(id);
  }

  signatureKey(credential: string): SignatureKeyRecord | undefined {
    return this.#signatureKeys.get(credential)?.record;
  }

  signer(id: string): ReplicaCredential | undefined {
    const signer = this.#signatureKeys.get(id);
    const credential = signer === undefined ? undefined : this.#credentials.get(signer.digest);
    return credential?.id === id ? credential : undefined;
  }

  factors(environment: string, consumer: string): readonly FactorRecord[] {
    return this.#factors.get(environment, consumer);
  }

  hasFactor(id: string): boolean {
    return this.#factors.has(id);
  }

  passkey(factor: string): PasskeyRecord | undefined {
    return this.#factors.passkeyOf(factor);
  }

  token(digest: string): ReplicaToken | undefined {
    return this.#tokens.get(digest);
  }

  successor(): Replica {
    return new CompactReplica(this);
  }

  takeOver(): void {
    this.#predecessor?.releaseAllBut(this.#keys, this.#consumers);
    this.#predecessor = null;
  }

  apply(record: FeedRecord): void {
    switch (record.kind) {
      case 'environment':
        return this.#applyEnvironment(record);
      case 'setting':
        return this.#applySetting(record);
      case 'signing':
        return this.#setOf(record.environment, { signing: record });
      case 'rules':
        return this.#setOf(record.environment, { rules: record });
      case 'address-book':
        return void this.#keys.addressBooks.set(record.key, new Set(record.addresses));
      case 'consumer':
        return this.#applyConsumer(record);
      case 'key':
        return this.#applyKey(record);
      case 'credential':
        return this.#applyCredential(record);
      case 'signature-key':
        return this.#signatureKeys.set(record);
      case 'factor':
        return this.#factors.set(record);
      case 'passkey':
        return this.#factors.setPasskey(record);
      case 'token':
        return this.#applyToken(record);
      case 'removed':
        return this.#remove(record.id);
    }
  }

  #applyEnvironment(record: EnvironmentRecord): void {
    const { id, projectId, project, name, prefix, afterLease } = record;
    const qualifiedName = `${project}/${name}`;
    const known = this.#environments.get(id);
    const { settings = new Map(), signing = null, rules = null } = known ?? {};
    const environment = { id, projectId, project, name, qualifiedName, prefix, afterLease, settings, signing, rules };
    // Keys point at their environment, so it changes in place.
    if (known !== undefined) Object.assign(known, environment);
    else this.#environments.set(id, environment);
    this.#environmentsByName.set(qualifiedName, known ?? environment);
  }

  #applySetting(record: SettingRecord): void {
    const settings = this.#environments.get(record.environment)?.settings;
    if (settings === undefined) return;
    const colon = record.permission.indexOf(':');
    const confirm = record.confirm === 'online';
    const everyUse = record.audit === 'every-use';
    if (!confirm && !everyUse) settings.delete(record.id);
    else {
      const resource = record.permission.slice(0, colon);
      settings.set(record.id, { resource, action: record.permission.slice(colon + 1), confirm, everyUse });
    }
  }

  /** What is kept beside the environment's own row. */
  #setOf(id: string, of: { signing: SigningRecord | null } | { rules: RulesRecord | null }): void {
    const environment = this.#environments.get(id);
    if (environment !== undefined) Object.assign(environment, of);
  }

  #applyConsumer(record: ConsumerRecord): void {
    const rules = this.#rules(record.rateLimits);
    const known = this.#consumers.get(record.id);
    const predecessor = known ?? this.#predecessor?.knownConsumer(record.id);
    const slot = this.#slotsFor(rules, null, predecessor, known !== undefined);
    writeLimits(this.slots, slot, record.rateLimits);
    this.#consumers.set(record.id, rules, slot);
  }

  #applyKey(record: KeyRecord): void {
    const environment = this.#environments.get(record.environment);
    const consumer = this.#consumers.find(record.consumer);
    const known = this.#keys.get(record.id);
    const networks = packNetworks(record.networks);
    // Fail closed: without its environment or consumer, or with networks nobody can read, a key isn't decidable.
    if (environment === undefined || consumer < 0 || 'error' in networks) return this.#remove(record.id);
    if (record.state === 'destroyed') return this.#remove(record.id);
    const rules = this.#rules(record.rateLimits);
    const quota = this.#intern<Quota | null>('q', record.quota, () => record.quota);
    const predecessor = known ?? this.#predecessor?.key(record.id);
    const slot = this.#slotsFor(rules, quota, predecessor, known !== undefined);
    writeLimits(this.slots, slot, record.rateLimits);
    const permissions = packPermissions(record.permissions);
    const { id, state, startsAt, expiresAt, metadata } = record;
    const few = { startsAt, expiresAt, quota, metadata };
    const key = this.#keys.set({ id, environment, consumer, state, permissions, networks, rules, slot, ...few });
    this.#takeReportedUse(key, record);
  }

  #takeReportedUse(key: ReplicaKey, record: KeyRecord): void {
    if (key.quota === null || record.quotaUsed === undefined) return;
    const slot = key.slot + key.rules.length * SLOTS_PER_LIMIT;
    const start = periodStart(key.quota.period, record.quotaUsed.at);
    if (this.slots.get(slot) > start) return;
    const used = this.slots.get(slot) === start ? this.slots.get(slot + 1) : 0;
    this.slots.set(slot, start);
    this.slots.set(slot + 1, Math.max(used, record.quotaUsed.used));
  }

  #applyCredential(record: CredentialRecord): void {
    const digest = digestFromHex(record.digest);
    const key = this.#keys.find(record.key);
    if (record.state === 'destroyed') this.#signatureKeys.forget(record.id);
    if (key < 0 || record.state === 'destroyed') return this.#credentials.delete(digest);
    const { id, state, startsAt, expiresAt } = record;
    this.#credentials.set(digest, { id, key, state, startsAt, expiresAt });
  }

  #applyToken(record: TokenRecord): void {
    const { id, scopes, projects, environment, state, expiresAt } = record;
    const digest = digestFromHex(record.digest);
    this.#tokens.set(digest, { id, scopes, projects, environment, state, expiresAt });
  }

  /** Withheld rows are rare, so they are searched for instead of being indexed by id. */
  #remove(id: string): void {
    const key = this.#keys.get(id);
    if (key !== undefined) {
      this.slots.release(key.slot, slotCount(key.rules, key.quota));
      this.#keys.delete(id);
    }
    const environment = this.#environments.get(id);
    if (environment !== undefined) {
      this.#environments.delete(id);
      this.#environmentsByName.delete(environment.qualifiedName);
    }
    if (this.#consumers.find(id) >= 0) this.#removeConsumer(id);
    if (id.startsWith(`${ID_PREFIXES.credential}_`)) this.#credentials.deleteById(id);
    if (id.startsWith(`${ID_PREFIXES.token}_`)) removeById(this.#tokens, id);
    if (id.startsWith(`${ID_PREFIXES.signatureKey}_`)) this.#signatureKeys.delete(id);
    this.#factors.delete(id);
    for (const environment of this.#environments.values()) {
      if (environment.signing?.id === id) this.#setOf(environment.id, { signing: null });
      // Fail closed: what its keys have to be like is not known any more.
      if (environment.rules?.id === id) this.#setOf(environment.id, { rules: UNREADABLE_RULES });
    }
  }

  #removeConsumer(id: string): void {
    const theirs = [...this.#keys].filter((key) => key.consumer.id === id).map((key) => key.id);
    for (const key of theirs) this.#remove(key);
    this.#consumers.delete(id);
  }

  #rules(limits: readonly RateLimit[]): readonly LimitRule[] {
    const rules = limitRules(limits);
    return this.#intern('l', rules, () => rules);
  }

  #intern<T>(space: string, value: unknown, make: () => T): T {
    const name = space + JSON.stringify(value);
    const known = this.#interned.get(name);
    if (known !== undefined) return known as T;
    if (this.#interned.size >= MAX_INTERNED) this.#interned.clear();
    const made = make();
    this.#interned.set(name, made);
    return made;
  }

  /** Slots for these rules, with the state of every limit that keeps its name and of the quota. */
  #slotsFor(
    rules: readonly LimitRule[],
    quota: Quota | null,
    before: (Pick<ReplicaKey, 'rules' | 'slot'> & { quota?: Quota | null }) | undefined,
    own: boolean,
  ): number {
    const oldQuota = before?.quota ?? null;
    if (before !== undefined && sameRules(before.rules, rules) && sameQuota(oldQuota, quota)) return before.slot;
    const slot = this.slots.allocate(slotCount(rules, quota));
    if (before === undefined) return slot;
    for (const [i, rule] of rules.entries()) {
      const old = before.rules.findIndex(({ name }) => name === rule.name);
      if (old < 0) continue;
      this.slots.set(slot + i * SLOTS_PER_LIMIT, this.slots.get(before.slot + old * SLOTS_PER_LIMIT));
    }
    if (quota !== null && oldQuota?.period === quota.period) {
      for (let i = 0; i < QUOTA_SLOTS; i++) {
        this.slots.set(
          slot + rules.length * SLOTS_PER_LIMIT + i,
          this.slots.get(before.slot + before.rules.length * SLOTS_PER_LIMIT + i),
        );
      }
    }
    if (own) this.slots.release(before.slot, slotCount(before.rules, oldQuota));
    return slot;
  }

  knownConsumer(id: string): ReplicaConsumer | undefined {
    return this.#consumers.get(id);
  }

  /** A successor that never takes over gives back what its predecessor doesn't hold. */
  abandon(): void {
    const predecessor = this.#predecessor;
    if (predecessor !== null) this.releaseAllBut(predecessor.#keys, predecessor.#consumers);
    this.#predecessor = null;
  }

  /** Gives back the slots that the successor didn't take over. */
  releaseAllBut(keys: KeyTable, consumers: ConsumerTable): void {
    for (const key of this.#keys) {
      if (keys.get(key.id)?.slot !== key.slot) this.slots.release(key.slot, slotCount(key.rules, key.quota));
    }
    for (const consumer of this.#consumers) {
      if (consumers.get(consumer.id)?.slot !== consumer.slot)
        this.slots.release(consumer.slot, slotCount(consumer.rules, null));
    }
  }
}

function slotCount(rules: readonly LimitRule[], quota: Quota | null): number {
  return rules.length * SLOTS_PER_LIMIT + (quota === null ? 0 : QUOTA_SLOTS);
}

function sameRules(a: readonly LimitRule[], b: readonly LimitRule[]): boolean {
  return a === b || (a.length === b.length && a.every((rule, i) => JSON.stringify(rule) === JSON.stringify(b[i])));
}

function sameQuota(a: Quota | null, b: Quota | null): boolean {
  return a?.period === b?.period && a?.limit === b?.limit;
}

function removeById(map: Map<string, { id: string }>, id: string): void {
  for (const [digest, entry] of map) {
    if (entry.id === id) {
      map.delete(digest);
      return;
    }
  }
}
