import { canonicalJson, type Json } from '@keyhold/protocol/canonical-json';
import type { IdKind } from '@keyhold/protocol/id';
import type { Refusal } from '@keyhold/protocol/errors';
import type { Kysely } from 'kysely';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/schema.ts';
import type { Store } from '../database/store.ts';
import { CommitDoubtful, Overloaded } from '../database/store-fault.ts';
import type { Head } from './chain.ts';
import type { EntryDraft, Recorded } from './entry.ts';
import type { ChangedRow, Facts } from './facts.ts';
import { GroupCommit, type GroupResult, type Pending } from './group-commit.ts';
import { readHead, readOwnHead } from './head.ts';
import { type PrepareSide, type PreparedSide, withholdSide } from './side.ts';
import { EMPTY_TREE, writeTree } from './tree.ts';

/** A committed group, for whoever follows the ledger. */
export interface Committed {
  /** Head before. */
  readonly from: number;
  readonly head: Head;
  readonly changed: readonly ChangedRow[];
  /** Ids of rows that are gone. */
  readonly removed: readonly string[];
}

/** What the ledger needs from outside; injected, so that simulations are repeatable. */
export interface LedgerOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly newId: (kind: IdKind) => string;
  /** 32 random bytes, hex. */
  readonly newSalt: () => string;
  /** Told under the writer's lock, right after COMMIT. */
  readonly committed: (committed: Committed) => void;
  /** Told when entries were committed whose outcome was unknown: followers have to read them. */
  readonly recovered: () => Promise<void>;
  readonly tampered: (rowId: string) => void;
}

/** Changes that one commit takes at most, and that may wait. */
const MAX_GROUP = 256;
const MAX_PENDING = 5_000;
const TOO_MANY = 'too many changes are waiting';
/** Turns of the event loop that a group waits for more, at most. */
const MAX_GATHERING_TURNS = 16;

/** The one door for facts. */
export class Ledger {
  readonly #options: LedgerOptions;
  readonly #groups: GroupCommit;
  #pending: Pending[] = [];
  #scheduled = false;
  #head: Head;
  #doubtful = false;
  #preparing = 0;
  #prepareSide: PrepareSide = withholdSide;

  constructor(options: LedgerOptions, head: Head) {
    this.#options = options;
    this.#head = head;
    this.#groups = new GroupCommit(options);
  }

  get head(): Head {
    return this.#head;
  }

  /** Changes waiting to be committed. */
  get waiting(): number {
    return this.#pending.length;
  }

  /**
   * Makes a change with its entry: both durable when this resolves, or neither happened. `change` awaits nothing but
   * `facts`; a refusal or a throw undoes it alone.
   * @throws Overloaded, StoreUnavailable
   */
  record<T>(draft: EntryDraft, change: (facts: Facts) => Promise<T | Refusal>): Promise<Recorded<T> | Refusal> {
    if (this.#pending.length + this.#preparing >= MAX_PENDING) return Promise.reject(new Overloaded(TOO_MANY));
    const { side } = draft;
    if (side === undefined) return this.#queue(draft, null, change);
    try {
      const prepared = this.#prepare(draft, side);
      return prepared instanceof Promise
        ? this.#queueLater(draft, prepared, change)
        : this.#queue(draft, prepared, change);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** INVARIANT: whoever waits for a key to be made is among those that wait. */
  async #queueLater<T>(
    draft: EntryDraft,
    prepared: Promise<PreparedSide>,
    change: (facts: Facts) => Promise<T | Refusal>,
  ): Promise<Recorded<T> | Refusal> {
    this.#preparing++;
    const side = await prepared.finally(() => this.#preparing--);
    return await this.#queue(draft, side, change);
  }

  /** From now on personal parts of entries are kept, encrypted by this. */
  encryptSides(prepareSide: PrepareSide): void {
    this.#prepareSide = prepareSide;
  }

  #prepare({ about, actor }: EntryDraft, side: Json): PreparedSide | Promise<PreparedSide> {
    const { newSalt, clock } = this.#options;
    const text = canonicalJson(side);
    return this.#prepareSide({ about: about ?? actor, atMs: clock.wall(), salt: newSalt(), text });
  }

  #queue<T>(
    draft: EntryDraft,
    side: PreparedSide | null,
    change: (facts: Facts) => Promise<T | Refusal>,
  ): Promise<Recorded<T> | Refusal> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ draft, side, change, resolve: resolve as (result: unknown) => void, reject });
      this.#schedule();
    });
  }

  /** Runs `work` under the lock of commits, in a transaction, with the head as it is there. */
  locked<T>(
    work: (db: Kysely<Database>, head: Head) => Promise<T>,
    then: (result: T, head: Head) => void,
  ): Promise<void> {
    const { store } = this.#options;
    return store.writer.alone(async () => {
      await this.#recover();
      const result = await this.#guarded(() =>
        store.writer.transaction(async (db) => {
          await store.dialect.lockHead(db);
          const head = await readOwnHead(db, this.#head.epoch);
          return { head, value: await work(db, head) };
        }),
      );
      then(result.value, result.head);
    });
  }

  /** Resolves once it is known what is committed: where a COMMIT is in doubt, when the server is through with it. */
  settled(): Promise<void> {
    return this.locked(
      async () => null,
      () => {},
    );
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#gather(0, 0);
  }

  /** Waits while more keeps arriving, so that changes made at the same time share a commit and its sync. */
  #gather(turns: number, before: number): void {
    setImmediate(() => {
      const { length } = this.#pending;
      if (length > before && length < MAX_GROUP && turns < MAX_GATHERING_TURNS) return this.#gather(turns + 1, length);
      this.#scheduled = false;
      this.#options.store.writer.alone(() => this.#commitGroup()).catch((error) => this.#failAll(error));
    });
  }

  async #commitGroup(): Promise<void> {
    const group = this.#takeGroup();
    if (this.#pending.length > 0) this.#schedule();
    if (group.length === 0) return;
    try {
      await this.#recover();
      const result = await this.#guarded(() => this.#groups.commit(group, this.#head.epoch));
      this.#conclude(group, result);
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  }

  /** At most one call of each idempotency key: the second has to find what the first one made. */
  #takeGroup(): Pending[] {
    const claimed = new Set<string>();
    const group: Pending[] = [];
    const later: Pending[] = [];
    for (const pending of this.#pending.splice(0, MAX_GROUP)) {
      const { idempotency } = pending.draft;
      const name = idempotency === undefined ? undefined : `${idempotency.principal} ${idempotency.key}`;
      if (name !== undefined && claimed.has(name)) later.push(pending);
      else group.push(pending);
      if (name !== undefined) claimed.add(name);
    }
    this.#pending.unshift(...later);
    return group;
  }

  #conclude(group: readonly Pending[], result: GroupResult): void {
    const { from, head, changed, removed, outcomes } = result;
    this.#head = head;
    if (head.sequence > from) this.#options.committed({ from, head, changed, removed });
    for (const [i, outcome] of outcomes.entries()) {
      const { resolve, reject } = group[i] as Pending;
      for (const rowId of outcome.tampered ?? []) this.#options.tampered(rowId);
      if ('error' in outcome) reject(outcome.error);
      else resolve(outcome.result);
    }
  }

  #failAll(error: unknown): void {
    for (const { reject } of this.#pending.splice(0)) reject(error);
  }

  async #guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof CommitDoubtful) this.#doubtful = true;
      throw error;
    }
  }

  /** INVARIANT: after a doubtful COMMIT nothing is granted or acknowledged until the head was read again. */
  async #recover(): Promise<void> {
    if (!this.#doubtful) return;
    const { store, recovered } = this.#options;
    const head = await store.writer.transaction(async (db) => {
      // The server may still be at that very COMMIT: whoever does not wait for it reads the head of before.
      await store.dialect.lockHead(db);
      return await readOwnHead(db, this.#head.epoch);
    });
    // Stays doubtful when this fails: then it is tried again before anything else.
    if (head.sequence > this.#head.sequence) await recovered();
    this.#head = head;
    this.#doubtful = false;
  }
}

/**
 * Takes the ledger over for this process: makes it in an empty database, and starts a new epoch, under the lock.
 * @returns the head, with the newest restore that an operator accepted
 */
export async function takeEpoch(
  store: Store,
  newId: (kind: IdKind) => string,
): Promise<{ head: Head; acceptedEpoch: number | null }> {
  return await store.writer.alone(() =>
    store.writer.transaction(async (db) => {
      await store.dialect.lockHead(db);
      const found = await readHead(db);
      if (found === undefined) {
        const head = { installation: newId('installation'), epoch: 1, sequence: 0, hash: null };
        const columns = { one: 1, ...head, accepted_epoch: null, root_key_check: null, tree: '' } as const;
        await db.insertInto('ledger_head').values(columns).execute();
        return { head: { ...head, tree: EMPTY_TREE }, acceptedEpoch: null };
      }
      const { acceptedEpoch, ...head } = found;
      const epoch = head.epoch + 1;
      await db
        .updateTable('ledger_head')
        .set({ epoch, tree: writeTree(head.tree) })
        .execute();
      return { head: { ...head, epoch }, acceptedEpoch };
    }),
  );
}
