import type { Json } from '@keyhold/protocol/canonical-json';
import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import type { Leaf } from '@keyhold/protocol/leaf';
import type { Scratch } from '../database/scratch.ts';
import { digestOfSide, type PreparedSide, type SideRow, type SideText, withholdSide } from '../ledger/side.ts';
import { openSide, type PersonalKey, personalToken, sealSide } from '../vault/personal-cipher.ts';
import { Turns } from '../vault/turns.ts';
import { type InEnvironment, placeIn, SEALED, type Vault } from '../vault/vault.ts';
import {
  findPeriodKey,
  findUnmoved,
  hasSides,
  listEmptyPeriods,
  listKeysInUse,
  type MovedSide,
  replaceSide,
  type StayingSide,
  type UnmovedSide,
} from './personal.store.ts';
import { PersonalKeys, periodOf } from './personal-keys.ts';

/** Encrypts to somebody who holds the other half; handed in from a higher floor. */
export interface PairCipher {
  newPair(): Promise<{ recipient: string; identity: string }>;
  encryptTo(recipient: string, text: string): Promise<string>;
  decryptWith(identity: string, body: string): Promise<string>;
}

/** What is to be read of a side. */
export type OpenedSide =
  | { readonly state: 'shown'; readonly text: string; readonly salt: string }
  | { readonly state: 'sealed' | 'erased' | 'broken' };

/** A provider's settings have four values for each of a hundred roles; nothing else has that many. */
const MAX_TOKENS = 512;
const MAX_VALUE = 200;
const TIME = /^\d{4}-\d{2}-\d{2}T/;
const MOVED_AT_ONCE = 50;
const KEYS_PER_READ = 500;
/** Of one entry: its leaf is bounded. */
const KEYS_OF_AN_ENTRY = 40;
const DAY_MS = 24 * 60 * 60 * 1_000;

interface PersonalOptions {
  readonly vault: Vault;
  readonly scratch: Scratch;
  readonly place: InEnvironment;
  readonly pair: PairCipher;
}

/**
 * The personal parts of entries: under a key of their subject and month, with which they are erased; while sealed
 * encrypted to the month's public key, and moved after it.
 */
export class PersonalParts {
  readonly keys: PersonalKeys;
  readonly #options: PersonalOptions;
  /** INVARIANT: no key is destroyed as empty between being found for a side and the side being moved under it. */
  readonly #turns = new Turns();

  constructor(options: PersonalOptions) {
    this.#options = options;
    this.keys = new PersonalKeys(options.vault, options.place);
  }

  readonly prepare = (side: SideText): PreparedSide | Promise<PreparedSide> => {
    const key = this.keys.ready(side.about, periodOf(side.atMs));
    return key === undefined ? this.#prepare(side) : sealedUnder(key, side);
  };

  async #prepare(side: SideText): Promise<PreparedSide> {
    const key = await this.keys.obtain(side.about, periodOf(side.atMs));
    return isRefusal(key) ? await this.#toPeriod(side) : sealedUnder(key, side);
  }

  /** INVARIANT: an entry never waits for the seal, nor for a key that somebody damaged. */
  async #toPeriod(side: SideText): Promise<PreparedSide> {
    const found = await findPeriodKey(this.#options.vault.reader, periodOf(side.atMs));
    const recipient = found === undefined ? undefined : await this.keys.recipient(found.id);
    if (found === undefined || recipient === undefined || isRefusal(recipient)) return withholdSide(side);
    const body = await this.#options.pair.encryptTo(recipient, JSON.stringify(side));
    return { digest: digestOfSide(side), row: { key_id: found.id, salt: '', body }, tokens: [] };
  }

  /** Opens a side beside its leaf, and holds it against what the leaf commits to. */
  async open(leaf: Leaf, row: SideRow): Promise<OpenedSide> {
    const opened = await this.#open(leaf, row);
    if ('state' in opened) return opened;
    if (digestOfSide(opened) === leaf.side) return { state: 'shown', text: opened.text, salt: opened.salt };
    return this.#broken(leaf, 'its side is not the one that it commits to');
  }

  async #open(leaf: Leaf, { key_id, salt, body }: SideRow): Promise<Pick<SideText, 'salt' | 'text'> | OpenedSide> {
    if (key_id === null) return { salt, text: body };
    const isPeriod = key_id.startsWith('pper_');
    const key = isPeriod ? await this.keys.identity(key_id) : await this.keys.byId(key_id);
    if (key === undefined) return { state: 'erased' };
    if (isRefusal(key)) return key === SEALED ? { state: 'sealed' } : { state: 'broken' };
    const plain =
      typeof key === 'string'
        ? await this.#options.pair.decryptWith(key, body).catch(() => null)
        : openSide(key, body, leaf.side ?? '');
    if (plain === null) return this.#broken(leaf, 'its side does not open');
    return JSON.parse(plain) as SideText;
  }

  #broken({ id, sequence }: Leaf, detail: string): OpenedSide {
    const { vault, place } = this.#options;
    vault.broken(placeIn(vault, 'entry.side', place, id, sequence), detail);
    return { state: 'broken' };
  }

  /** Makes this month's public key and the next one's, for when the installation is sealed. */
  async ensurePeriods(): Promise<void> {
    const { vault, pair } = this.#options;
    const now = vault.clock.wall();
    for (const period of [periodOf(now), nextPeriod(now)]) {
      if (vault.keyring.sealed || (await findPeriodKey(vault.reader, period))?.period === period) continue;
      const { recipient, identity } = await pair.newPair();
      await this.keys.keepPeriod(period, recipient, identity);
    }
  }

  /**
   * Destroys the keys of months that are over, once nothing lies under them. Not while sealed: no newer one can be made
   * then, and what comes is encrypted to the newest that there is.
   */
  async forgetPeriods(): Promise<void> {
    const { vault } = this.#options;
    if (vault.keyring.sealed) return;
    for (const id of await listEmptyPeriods(vault.reader, periodOf(vault.clock.wall()))) {
      const draft = { actor: 'system', action: 'period-key.destroyed', subject: id, locks: [id] };
      await vault.ledger.record(draft, async (facts) => {
        const { row } = await facts.examine('period_keys', id);
        if (row !== undefined) await facts.remove('period_keys', row);
        return null;
      });
    }
  }

  /** Destroys the keys of months that are over, once what lay under them was given up: they open nothing any more. */
  async forgetKeys(): Promise<void> {
    const { vault } = this.#options;
    // An entry may have been prepared in the month before, and be committed yet.
    const period = periodOf(vault.clock.wall() - DAY_MS);
    for (let after = ''; !vault.keyring.sealed; ) {
      const page = await listKeysInUse(vault.reader, after, KEYS_PER_READ);
      const empty = page.filter((key) => key.period < period && !key.inUse).map(({ id }) => id);
      // A turn for each entry, not for all: who has a subject erased waits for one of them.
      for (let i = 0; i < empty.length; i += KEYS_OF_AN_ENTRY)
        await this.#turns.take(() => this.#destroy(empty.slice(i, i + KEYS_OF_AN_ENTRY)));
      if (page.length < KEYS_PER_READ) return;
      after = page.at(-1)?.id ?? after;
      await new Promise(setImmediate);
    }
  }

  async #destroy(ids: readonly string[]): Promise<void> {
    const { ledger } = this.#options.vault;
    const draft = { actor: 'system', action: 'personal-key.destroyed', subject: ledger.head.installation, locks: ids };
    const recorded = await ledger.record({ ...draft, code: 'empty' }, async (facts) => {
      const gone: string[] = [];
      for (const id of ids)
        if (!(await hasSides(facts.db, id)) && (await facts.removeAnyway('personal_keys', id))) gone.push(id);
      return gone;
    });
    if (!isRefusal(recorded)) this.keys.forget(recorded.value);
  }

  /**
   * Moves what was written while sealed, or before there were such keys, under the keys of its subjects.
   * @returns what stays where it lies though it is not sealed; a refusal while sealed
   */
  move(): Promise<readonly StayingSide[] | Refusal> {
    return this.#turns.take(() => this.#move());
  }

  async #move(): Promise<readonly StayingSide[] | Refusal> {
    const { vault, scratch } = this.#options;
    const staying: StayingSide[] = [];
    for (let after = 0; ; ) {
      if (vault.keyring.sealed) return SEALED;
      const sides = await findUnmoved(vault.reader, after, MOVED_AT_ONCE);
      const last = sides.at(-1);
      if (last === undefined) return staying;
      const tried = await Promise.all(sides.map((side) => this.#moved(side)));
      await scratch.write(async (tables) => {
        for (const one of tried) if (one !== 'sealed' && 'row' in one) await replaceSide(tables, one);
      });
      for (const one of tried) if (one !== 'sealed' && 'about' in one) staying.push(one);
      after = last.sequence;
    }
  }

  /** Where it can't be it stays where it lies, and waits for what is needed. */
  async #moved({ sequence, leaf: text, ...row }: UnmovedSide): Promise<MovedSide | StayingSide | 'sealed'> {
    const leaf = JSON.parse(text) as Leaf;
    const opened = await this.#open(leaf, row);
    if ('state' in opened && opened.state === 'sealed') return 'sealed';
    const stays = { sequence, keyId: row.key_id };
    if ('state' in opened || digestOfSide(opened) !== leaf.side) return { ...stays, about: null };
    const about = (opened as Partial<SideText>).about ?? leaf.actor;
    const key = await this.keys.obtain(about, periodOf(Date.parse(leaf.at)));
    if (isRefusal(key)) return key === SEALED ? 'sealed' : { ...stays, about };
    const { row: sealed, tokens } = sealedUnder(key, { ...opened, about, atMs: 0 });
    return { sequence, row: sealed as SideRow, tokens };
  }
}

function sealedUnder(key: PersonalKey, side: SideText): PreparedSide {
  const { salt, text } = side;
  const digest = digestOfSide(side);
  const body = sealSide(key, JSON.stringify({ salt, text }), digest);
  const tokens = [...new Set(valuesOf(JSON.parse(text) as Json))].slice(0, MAX_TOKENS);
  return { digest, row: { key_id: key.id, salt: '', body }, tokens: tokens.map((value) => personalToken(key, value)) };
}

/** Whatever somebody may look for: every text, wherever it stands, but times. */
function valuesOf(value: Json | undefined): string[] {
  if (typeof value === 'string') return value === '' || value.length > MAX_VALUE || TIME.test(value) ? [] : [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap((inner) => valuesOf(inner as Json));
}

function nextPeriod(nowMs: number): string {
  const now = new Date(nowMs);
  return periodOf(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1));
}
