import { STATES, type State } from '@keyhold/protocol/state';
import { type KeyTable, TableKey } from './key-table.ts';
import { PlaceTable } from './place-table.ts';
import type { RecordSlab } from './record-slab.ts';
import { NO_PERIOD, type Period, type ReplicaCredential } from './replica.ts';
import {
  CREDENTIAL_HEAD,
  CREDENTIAL_TEXT,
  DIGEST,
  DIGEST_UNITS,
  HAS_EXTRAS,
  IN_USE,
  KEY_GENERATION,
  KEY_HEAD,
  KEY_ROW,
  ROW_TEXTS,
  ROW_WORDS,
  STATE_MASK,
  TALLY,
} from './row.ts';

/** What a credential is fed with. */
export interface CredentialSettings extends Period {
  readonly id: string;
  /** Row of its key. */
  readonly key: number;
  readonly state: State;
}

/**
 * All credentials, by digest in the form of `digest.ts`. A digest is uniform already, so its first bytes are the hash;
 * nobody can choose it without inverting SHA-256.
 */
export class CredentialTable {
  readonly keys: KeyTable;
  readonly slab: RecordSlab;
  /** Of the few that begin or end by a time of their own. */
  readonly periods = new Map<number, Period>();
  readonly #places = new PlaceTable((row) => this.#hashAt(row));
  /** Handed out by every look-up: what a verification allocates, the collector and the cache pay for. */
  readonly #found: TableCredential;

  /** @param keys whose rows the credentials share */
  constructor(keys: KeyTable) {
    this.keys = keys;
    this.slab = keys.slab;
    this.#found = new TableCredential(this);
  }

  get size(): number {
    return this.#places.size;
  }

  /** Good until the next look-up. */
  get(digest: string): TableCredential | undefined {
    const hash = hashOf(digest);
    for (let place = this.#places.first(hash); place >= 0; place = this.#places.next(hash, place)) {
      const row = this.#places.numberAt(place);
      // Before the digests are compared: the processor then fetches from all those places in memory at the same time.
      const credential = this.#found.read(row);
      if (!this.#isAt(row, digest)) continue;
      if (credential.isOfItsKey) return credential;
      // Searching for them when their key went would have held up every verdict.
      this.delete(digest);
      return undefined;
    }
    return undefined;
  }

  set(digest: string, { id, key, state, startsAt, expiresAt }: CredentialSettings): void {
    const known = this.#placeOf(digest);
    const row = known >= 0 ? this.#places.numberAt(known) : this.#rowFor(key);
    const start = row * ROW_WORDS;
    const { words, units } = this.slab;
    for (let i = 0; i < DIGEST_UNITS; i++) units[(start + DIGEST) * 2 + i] = digest.charCodeAt(i);
    words[start + KEY_ROW] = key;
    words[start + KEY_GENERATION] = this.keys.generation(key);
    const plain = startsAt === null && expiresAt === null;
    words[start + CREDENTIAL_HEAD] = STATES.indexOf(state) | IN_USE | (plain ? 0 : HAS_EXTRAS);
    this.keys.texts[row * ROW_TEXTS + CREDENTIAL_TEXT] = id;
    if (plain) this.periods.delete(row);
    else this.periods.set(row, { startsAt, expiresAt });
    if (known >= 0) return;
    words[start + TALLY] = 0;
    this.#places.add(row);
  }

  /** That of the key where it is free. */
  #rowFor(key: number): number {
    const taken = ((this.slab.words[key * ROW_WORDS + CREDENTIAL_HEAD] as number) & IN_USE) !== 0;
    return taken ? this.slab.allocate() : key;
  }

  delete(digest: string): void {
    const place = this.#placeOf(digest);
    if (place < 0) return;
    const row = this.#places.numberAt(place);
    this.#places.removeAt(place);
    this.periods.delete(row);
    this.slab.words[row * ROW_WORDS + CREDENTIAL_HEAD] = 0;
    if (((this.slab.words[row * ROW_WORDS + KEY_HEAD] as number) & IN_USE) === 0) this.slab.release(row);
  }

  /** Looks at all of them: withheld rows are rare, and an index by id is not worth its memory. */
  deleteById(id: string): void {
    for (const row of this.#places.numbers()) {
      if (this.keys.texts[row * ROW_TEXTS + CREDENTIAL_TEXT] !== id) continue;
      const start = (row * ROW_WORDS + DIGEST) * 2;
      return this.delete(String.fromCharCode(...this.slab.units.subarray(start, start + DIGEST_UNITS)));
    }
  }

  #placeOf(digest: string): number {
    const hash = hashOf(digest);
    let place = this.#places.first(hash);
    while (place >= 0 && !this.#isAt(this.#places.numberAt(place), digest)) place = this.#places.next(hash, place);
    return place;
  }

  #hashAt(row: number): number {
    const start = (row * ROW_WORDS + DIGEST) * 2;
    const { units } = this.slab;
    return (units[start] as number) | ((units[start + 1] as number) << 16);
  }

  #isAt(row: number, digest: string): boolean {
    const { units } = this.slab;
    const start = (row * ROW_WORDS + DIGEST) * 2;
    for (let i = 0; i < DIGEST_UNITS; i++) if (units[start + i] !== digest.charCodeAt(i)) return false;
    return true;
  }
}

function hashOf(digest: string): number {
  return digest.charCodeAt(0) | (digest.charCodeAt(1) << 16);
}

/** One credential as it was when it was read. Not to be kept: its row may be another's after the next record. */
class TableCredential implements ReplicaCredential {
  id = '';
  readonly key: TableKey;
  /** False when its key was removed; the key's row may be another's by now. */
  isOfItsKey = false;
  readonly #table: CredentialTable;
  #row = 0;
  #head = 0;
  #tally = 0;

  constructor(table: CredentialTable) {
    this.#table = table;
    this.key = new TableKey(table.keys);
  }

  read(row: number): this {
    const { words } = this.#table.slab;
    const start = row * ROW_WORDS;
    this.id = this.#table.keys.texts[row * ROW_TEXTS + CREDENTIAL_TEXT] as string;
    this.#tally = words[start + TALLY] as number;
    this.#head = words[start + CREDENTIAL_HEAD] as number;
    this.key.read(words[start + KEY_ROW] as number);
    this.isOfItsKey = this.key.generation === words[start + KEY_GENERATION];
    this.#row = row;
    return this;
  }

  get state(): State {
    return STATES[this.#head & STATE_MASK] as State;
  }

  get tally(): number {
    return this.#tally;
  }

  set tally(place: number) {
    this.#tally = place;
    this.#table.slab.words[this.#row * ROW_WORDS + TALLY] = place;
  }

  get startsAt(): number | null {
    return this.#period().startsAt;
  }

  get expiresAt(): number | null {
    return this.#period().expiresAt;
  }

  #period(): Period {
    if ((this.#head & HAS_EXTRAS) === 0) return NO_PERIOD;
    return this.#table.periods.get(this.#row) as Period;
  }
}
