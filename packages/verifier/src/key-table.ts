import type { Quota } from '@keyhold/protocol/feed';
import { STATES, type State } from '@keyhold/protocol/state';
import { type ConsumerTable, TableConsumer } from './consumer-table.ts';
import type { LimitRule } from './limits.ts';
import { type Address, areOpen, type PackedNetworks, rangeContains, rangeIsOpen } from './networks.ts';
import { IdIndex } from './id-index.ts';
import { type Grantable, type PackedPermissions, unpackPermissions, unpackRange } from './permissions.ts';
import { RecordSlab } from './record-slab.ts';
import { NO_PERIOD, type Period, type ReplicaConsumer, type ReplicaEnvironment, type ReplicaKey } from './replica.ts';
import {
  CONSUMER,
  CONSUMER_TEXT,
  CREDENTIAL_HEAD,
  CREDENTIAL_TEXT,
  ENVIRONMENT,
  GENERATION,
  HAS_EXTRAS,
  IN_USE,
  INLINE,
  INLINE_BYTES,
  KEY_HEAD,
  KEY_TEXT,
  LENGTH_MASK,
  NETWORKS_SHIFT,
  PERMISSIONS_SHIFT,
  ROW_TEXTS,
  ROW_WORDS,
  RULES,
  SLOT,
  STATE_MASK,
} from './row.ts';

/** Distinct rules of limits that are numbered; a key with others holds them itself. */
const MAX_NUMBERED_RULES = 10_000;

/** What few keys have, and what does not fit into a row. */
interface KeyExtras extends Period {
  readonly quota: Quota | null;
  readonly metadata: Readonly<Record<string, unknown>> | null;
  readonly long: { readonly networks: PackedNetworks; readonly permissions: PackedPermissions } | null;
  readonly rules: readonly LimitRule[] | null;
}

const NO_EXTRAS: KeyExtras = { ...NO_PERIOD, quota: null, metadata: null, long: null, rules: null };

/** What a key is fed with. */
export interface KeySettings extends Period {
  readonly id: string;
  readonly environment: ReplicaEnvironment;
  /** Number of its consumer. */
  readonly consumer: number;
  readonly state: State;
  readonly networks: PackedNetworks;
  readonly permissions: PackedPermissions;
  /** One array for all keys that have these rules. */
  readonly rules: readonly LimitRule[];
  readonly slot: number;
  readonly quota: Quota | null;
  readonly metadata: Readonly<Record<string, unknown>> | null;
}

/** All keys, by id. Their rows have room for a credential each. */
export class KeyTable {
  readonly slab = new RecordSlab(ROW_WORDS);
  readonly consumers: ConsumerTable;
  /** Ids of each row: {@link ROW_TEXTS} of them. */
  readonly texts: string[] = [];
  readonly environments: ReplicaEnvironment[] = [];
  readonly rules: (readonly LimitRule[])[] = [];
  readonly extras = new Map<number, KeyExtras>();
  /** Of the few keys that have one, by key. */
  readonly addressBooks = new Map<string, ReadonlySet<string>>();
  readonly #index = new IdIndex(this.texts, ROW_TEXTS);
  readonly #environmentNumbers = new Map<ReplicaEnvironment, number>();
  readonly #ruleNumbers = new Map<readonly LimitRule[], number>();

  constructor(consumers: ConsumerTable) {
    this.consumers = consumers;
  }

  /** Row of the key, or -1. */
  find(id: string): number {
    return this.#index.find(id);
  }

  get(id: string): TableKey | undefined {
    const row = this.find(id);
    return row < 0 ? undefined : new TableKey(this).read(row);
  }

  /** Changes each time that a key gives its row up: who remembers another one remembers another key. */
  generation(row: number): number {
    return this.slab.words[row * ROW_WORDS + GENERATION] as number;
  }

  set(key: KeySettings): TableKey {
    const known = this.find(key.id);
    const row = known >= 0 ? known : this.slab.allocate();
    const texts = row * ROW_TEXTS;
    this.texts[texts + KEY_TEXT] = key.id;
    if (known < 0) this.texts[texts + CREDENTIAL_TEXT] = '';
    this.texts[texts + CONSUMER_TEXT] = this.consumers.ids[key.consumer] as string;
    this.#write(row, key);
    if (known < 0) this.#index.add(row);
    return new TableKey(this).read(row);
  }

  delete(id: string): void {
    const row = this.find(id);
    if (row < 0) return;
    this.#index.remove(id);
    this.extras.delete(row);
    this.addressBooks.delete(id);
    const { words } = this.slab;
    const start = row * ROW_WORDS;
    words[start + GENERATION] = this.generation(row) + 1;
    words[start + KEY_HEAD] = 0;
    if (((words[start + CREDENTIAL_HEAD] as number) & IN_USE) === 0) this.slab.release(row);
  }

  *[Symbol.iterator](): Generator<TableKey> {
    for (const row of this.#index.numbers()) yield new TableKey(this).read(row);
  }

  #write(row: number, key: KeySettings): void {
    const { state, networks, permissions } = key;
    const { words, bytes, units } = this.slab;
    const start = row * ROW_WORDS;
    const rules = this.#numberOfRules(key.rules);
    const inline = permissions instanceof Uint16Array && fits(networks, permissions);
    const extras = extrasOf(key, inline, rules === null);
    if (extras === NO_EXTRAS) this.extras.delete(row);
    else this.extras.set(row, extras);
    words[start + SLOT] = key.slot;
    words[start + ENVIRONMENT] = this.#numberOfEnvironment(key.environment);
    words[start + CONSUMER] = key.consumer;
    words[start + RULES] = rules ?? 0;
    const lengths = inline ? (networks.length << NETWORKS_SHIFT) | (permissions.length << PERMISSIONS_SHIFT) : 0;
    words[start + KEY_HEAD] = STATES.indexOf(state) | lengths | IN_USE | (extras === NO_EXTRAS ? 0 : HAS_EXTRAS);
    if (!inline) return;
    bytes.set(networks, (start + INLINE) * 4);
    units.set(permissions, permissionsStart(start, networks.length));
  }

  #numberOfEnvironment(environment: ReplicaEnvironment): number {
    const known = this.#environmentNumbers.get(environment);
    if (known !== undefined) return known;
    this.#environmentNumbers.set(environment, this.environments.length);
    return this.environments.push(environment) - 1;
  }

  #numberOfRules(rules: readonly LimitRule[]): number | null {
    const known = this.#ruleNumbers.get(rules);
    if (known !== undefined) return known;
    if (this.rules.length >= MAX_NUMBERED_RULES) return null;
    this.#ruleNumbers.set(rules, this.rules.length);
    return this.rules.push(rules) - 1;
  }
}

function extrasOf(key: KeySettings, inline: boolean, unnumbered: boolean): KeyExtras {
  const { startsAt, expiresAt, quota, metadata, networks, permissions } = key;
  const few = startsAt !== null || expiresAt !== null || quota !== null || metadata !== null;
  if (!few && inline && !unnumbered) return NO_EXTRAS;
  const long = inline ? null : { networks, permissions };
  return { startsAt, expiresAt, quota, metadata, long, rules: unnumbered ? key.rules : null };
}

function fits(networks: PackedNetworks, permissions: Uint16Array): boolean {
  return networks.length + (networks.length & 1) + permissions.length * 2 <= INLINE_BYTES;
}

/** Unit where a row's permissions begin: behind its networks, rounded up. */
function permissionsStart(start: number, networkBytes: number): number {
  return (start + INLINE) * 2 + ((networkBytes + 1) >> 1);
}

/** One key as it was when it was read. Not to be kept: its row may be another's after the next record. */
export class TableKey implements ReplicaKey {
  row = 0;
  id = '';
  consumerId = '';
  generation = 0;
  slot = 0;
  rules: readonly LimitRule[] = [];
  #environment = 0;
  #head = 0;
  #extras: KeyExtras = NO_EXTRAS;
  #consumer = 0;
  readonly #table: KeyTable;

  constructor(table: KeyTable) {
    this.#table = table;
  }

  read(row: number): this {
    const table = this.#table;
    const { words } = table.slab;
    const start = row * ROW_WORDS;
    this.row = row;
    this.id = table.texts[row * ROW_TEXTS + KEY_TEXT] as string;
    this.consumerId = table.texts[row * ROW_TEXTS + CONSUMER_TEXT] as string;
    this.#head = words[start + KEY_HEAD] as number;
    this.generation = words[start + GENERATION] as number;
    this.slot = words[start + SLOT] as number;
    this.#environment = words[start + ENVIRONMENT] as number;
    this.#consumer = words[start + CONSUMER] as number;
    this.#extras = (this.#head & HAS_EXTRAS) === 0 ? NO_EXTRAS : (table.extras.get(row) as KeyExtras);
    this.rules = this.#extras.rules ?? (table.rules[words[start + RULES] as number] as readonly LimitRule[]);
    return this;
  }

  allowsDestination(address: string): boolean {
    return this.#table.addressBooks.get(this.id)?.has(address) ?? false;
  }

  get environment(): ReplicaEnvironment {
    return this.#table.environments[this.#environment] as ReplicaEnvironment;
  }

  get consumer(): ReplicaConsumer {
    return new TableConsumer(this.#table.consumers, this.#consumer);
  }

  get state(): State {
    return STATES[this.#head & STATE_MASK] as State;
  }

  get startsAt(): number | null {
    return this.#extras.startsAt;
  }

  get expiresAt(): number | null {
    return this.#extras.expiresAt;
  }

  get quota(): Quota | null {
    return this.#extras.quota;
  }

  get metadata(): Readonly<Record<string, unknown>> | null {
    return this.#extras.metadata;
  }

  get anywhere(): boolean {
    const { long } = this.#extras;
    return long === null ? this.#networkBytes() === 0 : long.networks.length === 0;
  }

  get isOpen(): boolean {
    const { long } = this.#extras;
    if (long !== null) return areOpen(long.networks);
    const start = this.#networksStart();
    return rangeIsOpen(this.#table.slab.bytes, start, start + this.#networkBytes());
  }

  allowsAddress(address: Address): boolean {
    const { long } = this.#extras;
    if (long !== null) return rangeContains(long.networks, 0, long.networks.length, address);
    const start = this.#networksStart();
    return rangeContains(this.#table.slab.bytes, start, start + this.#networkBytes(), address);
  }

  grants(required: Grantable): boolean {
    const { long } = this.#extras;
    if (long !== null) return required.isIn(long.permissions);
    return required.isInRange(this.#table.slab.units, this.#permissionsStart(), this.#permissionsEnd());
  }

  get permissions(): readonly string[] {
    const { long } = this.#extras;
    if (long !== null) return unpackPermissions(long.permissions);
    return unpackRange(this.#table.slab.units, this.#permissionsStart(), this.#permissionsEnd());
  }

  #networkBytes(): number {
    return (this.#head >>> NETWORKS_SHIFT) & LENGTH_MASK;
  }

  #networksStart(): number {
    return (this.row * ROW_WORDS + INLINE) * 4;
  }

  #permissionsStart(): number {
    return permissionsStart(this.row * ROW_WORDS, this.#networkBytes());
  }

  #permissionsEnd(): number {
    return this.#permissionsStart() + ((this.#head >>> PERMISSIONS_SHIFT) & LENGTH_MASK);
  }
}
