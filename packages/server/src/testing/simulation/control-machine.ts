import type { OnlineQuestion } from '@keyhold/protocol/verification-messages';
import type { ChangeContext } from '../../access/change-context.ts';
import type { Store } from '../../database/store.ts';
import type { FeedConnection, FeedSession } from '../../feed/feed-session.ts';
import type { FeedSource } from '../../feed/feed-source.ts';
import type { Propagation } from '../../feed/propagation.ts';
import { type Feed, startFeed } from '../../feed/start-feed.ts';
import { Alarms } from '../../ledger/alarms.ts';
import { answerOnline } from '../../verification/answer-online.ts';
import { VerificationSource } from '../../verification/feed-source.ts';
import { Places } from '../../verification/places.ts';
import type { Dice } from './dice.ts';
import type { MachineClock } from './virtual-time.ts';

/** Seams where the simulation plants bugs into a control plane. */
export interface ControlTampering {
  source?(source: FeedSource, feed: () => Feed): FeedSource;
  propagation?(propagation: Propagation, feed: Feed): Propagation;
  started?(feed: Feed, source: FeedSource, clock: MachineClock): void;
}

/** One incarnation of the control plane: the shipped ledger, feed, leases and barrier on a virtual clock. */
export class ControlMachine {
  readonly clock: MachineClock;
  readonly feed: Feed;
  readonly context: ChangeContext;
  readonly store: Store;
  readonly #feedToken: string;
  readonly #ends: (() => void)[] = [];

  private constructor(clock: MachineClock, store: Store, feed: Feed, context: ChangeContext, feedToken: string) {
    this.clock = clock;
    this.store = store;
    this.feed = feed;
    this.context = context;
    this.#feedToken = feedToken;
  }

  static async start(
    store: Store,
    clock: MachineClock,
    dice: Dice,
    feedToken: string,
    tampering: ControlTampering,
  ): Promise<ControlMachine> {
    const places = new Places();
    const tampered = (rowId: string) => {
      throw new Error(`the simulation never tampers, but ${rowId} was found tampered`);
    };
    const alarms = new Alarms(clock, () => {});
    const shipped = new VerificationSource({
      store,
      clock,
      livedTime: { now: () => clock.wall() },
      places,
      tampered,
      report: async () => {},
      answer: (asking, payload) => {
        const online = { ledger: feed.ledger, reader: store.reader, clock, places };
        return answerOnline(online, asking.scope, payload as OnlineQuestion);
      },
    });
    const source = tampering.source?.(shipped, () => feed) ?? shipped;
    const random = dice.asRandom();
    const feed: Feed = await startFeed({
      ...{ store, clock, random, alarms, source },
      mayBeOlder: false,
      committed: () => {},
      follower: { note: () => {}, reload: async () => {} },
    });
    await places.load(store.reader, tampered);
    const propagation = tampering.propagation?.(feed.propagation, feed) ?? feed.propagation;
    tampering.started?.(feed, source, clock);
    return new ControlMachine(clock, store, feed, { ledger: feed.ledger, propagation, clock, random }, feedToken);
  }

  get alive(): boolean {
    return !this.clock.dead;
  }

  attach(connection: FeedConnection): FeedSession {
    return this.feed.hub.attach(connection, { projects: null, environment: null }, this.#feedToken);
  }

  detach(session: FeedSession): void {
    this.feed.hub.detach(session);
  }

  onCrash(end: () => void): void {
    this.#ends.push(end);
  }

  /** Nothing leaves it any more; what its database was doing is done or not. */
  async crash(): Promise<void> {
    this.clock.dead = true;
    for (const end of this.#ends) end();
    await this.store.writer.idle();
  }
}
