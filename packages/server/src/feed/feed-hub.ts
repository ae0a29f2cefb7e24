import type { Position } from '@keyhold/protocol/feed';
import type { Store } from '../database/store.ts';
import type { Head } from '../ledger/chain.ts';
import { hashAt } from '../ledger/entries.store.ts';
import type { Committed, Ledger } from '../ledger/ledger.ts';
import { type FeedConnection, type FeedHouse, FeedSession, type Published } from './feed-session.ts';
import type { FeedSource } from './feed-source.ts';
import type { LeaseBook } from './lease-book.ts';
import { forgetHolders, storeHolder } from './lease-holders.store.ts';
import { type FeedScope, isAddressedTo } from './scope.ts';

export interface FeedHubOptions {
  readonly store: Store;
  readonly ledger: () => Ledger;
  readonly book: LeaseBook;
  readonly source: FeedSource;
  /** Newest restore accepted before this start. */
  readonly acceptedEpoch: number | null;
  /** A verifier holds what this ledger doesn't: raised once a hello. */
  readonly alarm: (verifier: string, position: Position) => void;
}

/** Every feed connection of this control plane. */
export class FeedHub implements FeedHouse {
  readonly #options: FeedHubOptions;
  readonly #sessions = new Set<FeedSession>();
  readonly #fencedEpochs = new Map<string, number>();
  #acceptedEpoch: number | null;

  constructor(options: FeedHubOptions) {
    this.#options = options;
    this.#acceptedEpoch = options.acceptedEpoch;
  }

  /** Takes a connection whose token was found alive. */
  attach(connection: FeedConnection, scope: FeedScope, tokenId: string): FeedSession {
    const session = new FeedSession(connection, scope, tokenId, this);
    this.#sessions.add(session);
    return session;
  }

  /** The network closed a session. */
  detach(session: FeedSession): void {
    session.lost();
    if (this.#sessions.delete(session) && session.claimed) this.#options.book.disconnected(session.verifier as string);
  }

  /** Hands a committed group to every session; called under the writer's lock, so in order. */
  publish({ from, head, changed, removed }: Committed): void {
    const records = this.#options.source.fromCommit(changed, removed);
    const position = positionOf(head);
    const texts = new Map<string, string>();
    const published: Published = {
      from,
      position,
      textFor: (scope) => {
        const name = JSON.stringify(scope);
        let text = texts.get(name);
        if (text === undefined) {
          const mine = records.filter((addressed) => isAddressedTo(addressed, scope)).map(({ record }) => record);
          texts.set(name, (text = JSON.stringify({ type: 'changes', from, position, records: mine })));
        }
        return text;
      },
    };
    for (const session of [...this.#sessions]) session.publish(published);
    this.#cutOff(changed);
  }

  /** What was sent may not be what was committed: every verifier comes back and catches up. */
  resync(): void {
    for (const session of [...this.#sessions]) this.#drop(session, 'read the head again');
  }

  /** Ends the connections of tokens whose time is over; revoked ones are ended at their commit. */
  async dropExpired(): Promise<void> {
    const { source, store } = this.#options;
    for (const session of [...this.#sessions]) {
      if (!(await source.isTokenAlive(store.reader, session.tokenId)))
        this.#drop(session, 'the token is no longer alive');
    }
  }

  /** Verifiers that follow and are sent what belongs to the environment. */
  verifiersOf(project: string, environment: string): Set<string> {
    const verifiers = [...this.#sessions].flatMap(({ live, scope, verifier }) =>
      live && verifier !== null && isAddressedTo({ projects: [project], environment }, scope) ? [verifier] : [],
    );
    return new Set(verifiers);
  }

  /** The epoch from which fenced verifiers may start anew, or null when none waits. */
  epochToAccept(): number | null {
    const epochs = [...this.#fencedEpochs.values()];
    return epochs.length === 0 ? null : Math.max(this.#options.ledger().head.epoch, ...epochs) + 1;
  }

  /** An operator accepted the restore, and that is an entry. */
  accepted(epoch: number): void {
    this.#acceptedEpoch = epoch;
    this.#fencedEpochs.clear();
    this.resync();
  }

  async welcome(session: FeedSession, verifier: string, theirs: Position | null): Promise<void> {
    const { book, ledger, store } = this.#options;
    if (!book.claim(verifier, session.tokenId)) return session.close('this verifier id is of another token');
    session.claimed = true;
    book.connected(verifier);
    // From here on a revocation finds this session; one that was committed just before is found here.
    if (!(await this.#options.source.isTokenAlive(store.reader, session.tokenId))) {
      return this.#drop(session, 'the token is no longer alive');
    }
    const head = ledger().head;
    const hashAtYours = theirs === null ? null : await this.#hashAt(store, theirs);
    session.send({ type: 'welcome', position: positionOf(head), hashAtYours, acceptedEpoch: this.#acceptedEpoch });
    if (theirs !== null && !isContinuation(theirs, head, hashAtYours)) return this.#refuse(session, verifier, theirs);
    this.#fencedEpochs.delete(verifier);
    if (theirs !== null) book.acknowledged(verifier, theirs.sequence);
    await this.#sendStart(session, theirs);
    session.follow();
  }

  async #hashAt(store: Store, { sequence }: Position): Promise<string | null> {
    return await hashAt(store.reader, sequence);
  }

  #refuse(session: FeedSession, verifier: string, theirs: Position): void {
    this.#options.book.fenced(verifier);
    if (theirs.installation === this.#options.ledger().head.installation)
      this.#fencedEpochs.set(verifier, theirs.epoch);
    this.#options.alarm(verifier, theirs);
    this.#drop(session, 'the ledger is not a continuation of yours');
  }

  async #sendStart(session: FeedSession, theirs: Position | null): Promise<void> {
    const { source } = this.#options;
    const changes = theirs === null ? null : await source.changesSince(theirs.sequence);
    if (changes !== null && theirs !== null) {
      session.sendChanges(theirs.sequence, changes.position, changes.records);
      return;
    }
    let part = 0;
    await source.snapshot(async (position, records, last) => {
      session.sendSnapshotPart(position, records, part++, last);
      if (session.closed) throw new Error('closed while the snapshot was sent');
    });
  }

  async grant(session: FeedSession, request: number): Promise<void> {
    const { book, ledger, source } = this.#options;
    const verifier = session.verifier as string;
    if (!session.claimed) return session.close('not welcome yet');
    await ledger().locked(
      async (db) => {
        if (!(await source.isTokenAlive(db, session.tokenId))) return null;
        const leases = await source.leasesFor(db, session.scope);
        // What is stored already need not be written at each renewal, also not on a full disk.
        const unstored = leases.filter(({ environment, seconds }) => !book.isStored(verifier, environment, seconds));
        await storeHolder(db, verifier, session.tokenId, unstored);
        return leases;
      },
      (leases, head) => {
        if (leases === null) return this.#drop(session, 'the token is no longer alive');
        // Booked even when the connection is gone by now: what was sent before it closed may have arrived.
        book.granted(verifier, leases);
        book.stored(verifier, leases);
        session.send({
          type: 'grant',
          request,
          sequence: head.sequence,
          leases: leases.map(({ environment, seconds }) => ({ environment, seconds })),
        });
      },
    );
  }

  acknowledged(session: FeedSession, sequence: number): void {
    // Nobody has applied what was not sent to him.
    if (!session.claimed || sequence > session.sentUpTo) return session.close('acknowledged what was not sent');
    this.#options.book.acknowledged(session.verifier as string, sequence);
  }

  /**
   * The verifier said goodbye: it decides nothing any more, by whatever was granted to it. INVARIANT: its stored holders
   * go under the lock of grants, so after a grant that was under way, and the book forgets first that they are stored:
   * however this commit ends, the next grant stores them before it is sent. A start before it waits for who is gone.
   */
  async released(session: FeedSession): Promise<void> {
    if (!session.claimed) return;
    const { book, ledger } = this.#options;
    const verifier = session.verifier as string;
    // Whoever waits for it now need not wait for that commit.
    book.released(verifier);
    await ledger().locked(
      async (db) => {
        book.released(verifier);
        await forgetHolders(db, [verifier]);
      },
      () => {},
    );
  }

  async report(session: FeedSession, payload: unknown): Promise<void> {
    await this.#options.source.report(session, payload);
  }

  async answer(session: FeedSession, request: number, payload: unknown): Promise<void> {
    const answer = await this.#options.source.answer(session, payload).catch(() => null);
    session.send({ type: 'answer', request, payload: answer });
  }

  /** Ends the connections of tokens that are no longer alive; their leases are waited out. */
  #cutOff(changed: Committed['changed']): void {
    for (const { table, row } of changed) {
      if (table !== 'tokens' || row.state === 'active') continue;
      for (const session of [...this.#sessions]) {
        if (session.tokenId === row.id) this.#drop(session, 'the token is no longer alive');
      }
    }
  }

  #drop(session: FeedSession, reason: string): void {
    session.close(reason);
    this.detach(session);
  }
}

function positionOf({ installation, epoch, sequence, hash }: Head): Position {
  return { installation, epoch, sequence, hash };
}

function isContinuation(theirs: Position, head: Head, hashAtTheirs: string | null): boolean {
  return (
    theirs.installation === head.installation &&
    theirs.epoch <= head.epoch &&
    theirs.sequence <= head.sequence &&
    hashAtTheirs === theirs.hash
  );
}
