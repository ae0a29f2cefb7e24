import { checkCheckpoint } from '@keyhold/auditor/check-checkpoint';
import { sha256, signCheckpoint, verifySignature } from '@keyhold/auditor/note-crypto';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import { writeCheckpoint } from '@keyhold/protocol/log/checkpoint';
import { type Frontier, isSameHash, rootOf } from '@keyhold/protocol/log/merkle';
import { perfectNodes } from '@keyhold/protocol/log/merkle-paths';
import { type SignedNote, writeNote } from '@keyhold/protocol/log/signed-note';
import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import type { Scratch } from '../database/scratch.ts';
import { type InEnvironment, SEALED, type Vault } from '../vault/vault.ts';
import type { Unsealed } from '../vault/keyring.ts';
import { Turns } from '../vault/turns.ts';
import { forgetCheckpoint, keepCheckpoint, readCheckpointNote } from './log.store.ts';
import { EntryMissing, LogTiles } from './log-tiles.ts';
import { rootOfEntries } from './root-of-entries.ts';
import { checkedLogKeys, LOG_ALGORITHMS, type LogKey, noteKeyOf, openLogKeys } from './open-log-keys.ts';

export const OTHER_ENTRIES = 'its entries are not those that it signed';
const TILES_CHANGED = 'its tiles were changed; made anew';

/** A checkpoint that was signed and kept. */
export interface Published {
  readonly size: number;
  readonly root: Uint8Array;
  /** The signed note. */
  readonly note: string;
}

/** What is not as it was written: apart from each other, so that what is mended by itself hides nothing that is not. */
export type Forged = 'tree' | 'tiles' | 'checkpoint';

export interface LogOptions {
  readonly vault: Vault;
  readonly scratch: Scratch;
  /** Where its keys lie. */
  readonly place: InEnvironment;
  /** The log's name. */
  readonly origin: string;
  /** Raises the alarm that the log is not what its entries make it. */
  readonly forged: (what: Forged, detail: string) => void;
}

/**
 * The ledger as a transparency log. Each change grows the tree in its own transaction; here the tree is published:
 * tiles are kept and checkpoints signed, one for all changes since the last.
 */
export class TransparencyLog {
  readonly tiles: LogTiles;
  /** Entries are given up by one at a time. */
  readonly prunings = new Turns();
  readonly #options: LogOptions;
  #published: Published | null;
  /** When the newest checkpoint was signed, in seconds since 1970. */
  #signedAt: number;
  #signing: Promise<Published | Refusal> | null = null;
  #follower: () => void = () => {};
  /** INVARIANT: forgotten with what unsealed them, so that a sealed installation signs nothing. */
  readonly #keys = new WeakMap<Unsealed, readonly LogKey[]>();

  readonly #exportKeys = new WeakMap<Unsealed, LogKey>();

  private constructor(options: LogOptions, published: Published | null, signedAt = 0) {
    this.#options = options;
    this.#published = published;
    this.#signedAt = signedAt;
    this.tiles = new LogTiles(options.vault.reader, options.scratch, () => options.forged('tiles', TILES_CHANGED));
  }

  static async open(options: LogOptions): Promise<TransparencyLog> {
    const note = await readCheckpointNote(options.vault.reader, 'signed');
    const log = new TransparencyLog(options, null);
    if (note === null) return log;
    const kept = await readKept(options, log.tiles, note);
    if (kept === null) return log;
    if (typeof kept !== 'string') {
      // The log did sign it: then it is the entries that are others now, and it stays to show that.
      if (!kept.isOfEntries) options.forged('tree', OTHER_ENTRIES);
      return new TransparencyLog(options, kept.published, kept.signedAt);
    }
    // A size that was put there would keep every true checkpoint out.
    options.forged('checkpoint', `the kept checkpoint was changed: ${kept}`);
    await options.scratch.write((tables) => forgetCheckpoint(tables, 'signed'));
    return log;
  }

  /**
   * A note that was kept elsewhere, where it is of these entries and signed by this log; else why it is not. Null where
   * the log's keys were tampered with, so that nothing can be said of it.
   */
  async recognise(note: string): Promise<Published | string | null> {
    const kept = await readKept(this.#options, this.tiles, note);
    if (kept === null || typeof kept === 'string') return kept;
    return kept.isOfEntries ? kept.published : OTHER_ENTRIES;
  }

  get origin(): string {
    return this.#options.origin;
  }

  /** The newest checkpoint. */
  get published(): Published | null {
    return this.#published;
  }

  /** Has somebody told of each new checkpoint, once it is kept. */
  follow(follower: () => void): void {
    this.#follower = follower;
  }

  /** Entries that no checkpoint covers yet. */
  get lag(): number {
    return this.#options.vault.ledger.head.sequence - (this.#published?.size ?? 0);
  }

  /** A checkpoint that covers that many entries, which have to be committed. */
  async covering(size: number): Promise<Published | Refusal> {
    for (;;) {
      const published = this.#published;
      if (published !== null && published.size >= size) return published;
      const made = await this.#sign();
      if (isRefusal(made) || made.size >= size) return made;
    }
  }

  /** Signs what was committed since the last checkpoint. */
  async publish(): Promise<void> {
    if (this.lag > 0 && !this.#options.vault.keyring.sealed) await this.#sign();
  }

  /** What exports are signed with: a key of its own, since no key signs two kinds of things. */
  async exportKey(): Promise<LogKey | Refusal> {
    const { vault, place, origin } = this.#options;
    const { unsealed } = vault.keyring;
    if (unsealed === null) return SEALED;
    const known = this.#exportKeys.get(unsealed);
    if (known !== undefined) return known;
    const keys = await openLogKeys(vault, place, `${origin}/export`, ['ed25519']);
    if (isRefusal(keys)) return keys;
    const [key] = keys as [LogKey];
    this.#exportKeys.set(unsealed, key);
    return key;
  }

  /** Whoever comes while one is being signed waits for it, and for the next where that came too early for him. */
  #sign(): Promise<Published | Refusal> {
    this.#signing ??= this.#signHead().finally(() => {
      this.#signing = null;
    });
    return this.#signing;
  }

  async #signHead(): Promise<Published | Refusal> {
    const { vault, origin } = this.#options;
    const { unsealed } = vault.keyring;
    // INVARIANT: of what is committed only: the ledger knows its head after COMMIT.
    const { tree } = vault.ledger.head;
    const keys = await this.#openKeys();
    if (isRefusal(keys)) return keys;
    const refused = await this.unlessMissing(this.#refuseForged(tree));
    if (refused !== null) return refused;
    // INVARIANT: who sealed meanwhile has nothing signed any more.
    if (vault.keyring.unsealed !== unsealed) return SEALED;
    const checkpoint = { origin, size: tree.size, root: rootOf(sha256, tree) };
    // INVARIANT: never earlier than what was signed of less: two notes of which the larger is the older one are what a
    // witness takes for a log that shrank, and anybody can show it those two.
    const atSeconds = Math.max(Math.floor(vault.clock.wall() / 1_000), this.#signedAt);
    const signed: SignedNote = {
      text: writeCheckpoint(checkpoint),
      signatures: keys.map(({ note, privateKey }) => signCheckpoint(note, privateKey, checkpoint, atSeconds)),
    };
    const published = { ...checkpoint, note: writeNote(signed) };
    // Under the lock of commits: a control plane that was superseded keeps nothing, and so publishes nothing.
    const keep = (db: Kysely<Database>) => keepCheckpoint(db, 'signed', published.size, published.note);
    await vault.ledger.locked(keep, () => {});
    this.#published = published;
    this.#signedAt = atSeconds;
    this.#follower();
    return published;
  }

  async #openKeys(): Promise<readonly LogKey[] | Refusal> {
    const { vault, place, origin } = this.#options;
    const { unsealed } = vault.keyring;
    if (unsealed === null) return SEALED;
    const known = this.#keys.get(unsealed);
    if (known !== undefined) return known;
    const keys = await openLogKeys(vault, place, origin, LOG_ALGORITHMS);
    if (!isRefusal(keys)) this.#keys.set(unsealed, keys);
    return keys;
  }

  /**
   * What comes of the tiles; refused, and an alarm, where an entry is missing that it takes, since somebody deleted it
   * or changed what was kept of one that was given up. Nothing that it is part of is signed.
   */
  async unlessMissing<T>(made: Promise<T>): Promise<T | Refusal> {
    try {
      return await made;
    } catch (error) {
      if (!(error instanceof EntryMissing)) throw error;
      this.#options.forged('tree', error.message);
      return refuse('LOG_FORGED', `The log is not whole: ${error.message}. Nothing of it is signed or proven.`);
    }
  }

  /** INVARIANT: a tree is signed only where the tiles, which come from the entries, make the same. */
  async #refuseForged(tree: Frontier): Promise<Refusal | null> {
    const isMade = async () => {
      await this.tiles.keepFull(tree.size);
      const made = await this.tiles.nodes(perfectNodes({ start: 0, end: tree.size }));
      return (
        made.length === tree.nodes.length && made.every((hash, i) => isSameHash(hash, tree.nodes[i] as Uint8Array))
      );
    };
    if (await isMade().catch(unlessMissing)) return null;
    await mendTiles(this.#options, this.tiles, { size: tree.size, root: rootOf(sha256, tree) });
    if (await isMade()) return null;
    this.#options.forged('tree', 'the tree is not the one of its entries');
    return refuse('LOG_FORGED', 'The log is not what its entries make it: nothing is signed.');
  }
}

/** What could not be read now says nothing of what is there. */
function unlessMissing(error: unknown): false {
  if (error instanceof EntryMissing) return false;
  throw error;
}

/**
 * Whether the entries make that root. Then it is the tiles that were changed, which are only a convenience, and they are
 * made anew.
 */
async function mendTiles(
  { vault, forged }: LogOptions,
  tiles: LogTiles,
  { size, root }: Pick<Published, 'size' | 'root'>,
): Promise<boolean> {
  if (!isSameHash(await rootOfEntries(vault.reader, size), root)) return false;
  await tiles.rebuild(size);
  forged('tiles', TILES_CHANGED);
  return true;
}

interface KeptCheckpoint {
  readonly published: Published;
  /** Seconds since 1970. */
  readonly signedAt: number;
  /** False where the entries are others now. */
  readonly isOfEntries: boolean;
}

/**
 * The kept checkpoint, held against the log's keys and its entries; or why it is not one of this log. Null where the
 * keys themselves were tampered with, so that nothing can be said of it.
 */
async function readKept(options: LogOptions, tiles: LogTiles, note: string): Promise<KeptCheckpoint | string | null> {
  const { vault, origin } = options;
  const keys = await checkedLogKeys(vault, origin);
  if (isRefusal(keys)) return null;
  const logs = keys.map((row) => ({ ...noteKeyOf(row), url: null }));
  const checked = checkCheckpoint(verifySignature, { logs, witnesses: [], isQuorum: () => true }, note);
  if (typeof checked === 'string') return checked;
  const { checkpoint, signedAt } = checked;
  if (checkpoint.size > vault.ledger.head.sequence) return 'it is of more entries than there are';
  const kept = { published: { ...checkpoint, note }, signedAt: signedAt ?? 0 };
  if (checkpoint.size === 0) return { ...kept, isOfEntries: true };
  const isSame = (root: Uint8Array) => isSameHash(root, checkpoint.root);
  const isMade = await tiles.rangeHash({ start: 0, end: checkpoint.size }).then(isSame, unlessMissing);
  return { ...kept, isOfEntries: isMade || (await mendTiles(options, tiles, checkpoint)) };
}
