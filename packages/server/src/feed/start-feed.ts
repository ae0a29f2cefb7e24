import type { Clock } from '../clock.ts';
import type { Store } from '../database/store.ts';
import type { Alarms } from '../ledger/alarms.ts';
import type { Head } from '../ledger/chain.ts';
import { type Committed, Ledger, takeEpoch } from '../ledger/ledger.ts';
import type { Random } from '../random.ts';
import { Barrier } from './barrier.ts';
import { FeedHub } from './feed-hub.ts';
import type { FeedSource } from './feed-source.ts';
import { LeaseBook } from './lease-book.ts';
import { loadHolders, storeUnknownHolder } from './lease-holders.store.ts';
import { createPropagation, type Propagation } from './propagation.ts';

export interface FeedStart {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly alarms: Alarms;
  readonly source: FeedSource;
  /** This may be a state of before, which does not know everybody who was granted a lease. */
  readonly mayBeOlder: boolean;
  /** Told the new head after each commit, before anybody is answered. */
  readonly committed: (head: Head) => void;
  /** Told what each commit changed, and where that is in doubt, that it has to be read again. */
  readonly follower: Follower;
}

/** What follows the ledger beside the verifiers, in this process. */
export interface Follower {
  note(changed: Committed['changed'], removed: Committed['removed']): void;
  reload(): Promise<void>;
}

/** The ledger with everything that follows it. */
export interface Feed {
  readonly ledger: Ledger;
  readonly book: LeaseBook;
  readonly hub: FeedHub;
  readonly propagation: Propagation;
  /** Tells that verifiers saw these tokens used. */
  readonly tokensUsed: (ids: readonly string[]) => void;
  onTokensUsed(listener: (ids: readonly string[]) => void): void;
}

/**
 * Takes the ledger over for this process and starts feeding from it. INVARIANT: every stored holder of a lease
 * counts as granted now, before anything can be taken away (DESIGN §5); and where there may be some who are not stored, one
 * that stands for them.
 */
export async function startFeed(start: FeedStart): Promise<Feed> {
  const { store, clock, random, alarms, source, mayBeOlder, committed, follower } = start;
  const { head, acceptedEpoch } = await takeEpoch(store, random.newId);
  // Durable before the first commit: from that on nothing tells a start after a crash that this was a state of before.
  if (mayBeOlder) await store.writer.alone(() => store.writer.transaction(storeUnknownHolder));
  const book = new LeaseBook(clock);
  await restoreHolders(store, book, source);
  const ledger: Ledger = new Ledger(
    {
      store,
      clock,
      newId: random.newId,
      newSalt: () => Buffer.from(random.bytes(32)).toString('hex'),
      committed: (group) => {
        // What is committed is fed, whatever becomes of the record of it: that is only older then, never wrong.
        try {
          committed(group.head);
        } catch (error) {
          alarms.raise('HEAD_NOT_KEPT', group.head.installation, String(error));
        }
        follower.note(group.changed, group.removed);
        hub.publish(group);
      },
      recovered: async () => {
        await source.recovered();
        await follower.reload();
        hub.resync();
      },
      tampered: (rowId) => alarms.raise('ROW_TAMPERED', rowId, 'found when it was to be changed'),
    },
    head,
  );
  const hub: FeedHub = new FeedHub({
    store,
    ledger: () => ledger,
    book,
    source,
    acceptedEpoch,
    alarm: (verifier, { epoch, sequence }) =>
      alarms.raise(
        'VERIFIER_AHEAD',
        verifier,
        `it stands at sequence ${sequence} of epoch ${epoch}: was this database restored?`,
      ),
  });
  const propagation = createPropagation(new Barrier(clock, book), hub);
  let listener: (ids: readonly string[]) => void = () => {};
  return {
    ledger,
    book,
    hub,
    propagation,
    tokensUsed: (ids) => listener(ids),
    onTokensUsed: (given) => {
      listener = given;
    },
  };
}

async function restoreHolders(store: Store, book: LeaseBook, source: FeedSource): Promise<void> {
  const all = await source.leasesFor(store.reader, { projects: null, environment: null });
  const afterLease = new Map(all.map(({ environment, afterLease }) => [environment, afterLease]));
  for (const { verifier, tokenId, environment, seconds } of await loadHolders(store.reader)) {
    book.claim(verifier, tokenId);
    book.granted(verifier, [{ environment, seconds, afterLease: afterLease.get(environment) ?? 'refuse' }]);
  }
}
