import { randomUUID } from 'node:crypto';
import type { ControlMessage, FeedRecord, Position } from '@keyhold/protocol/feed';
import { FeedClient } from '../feed-client.ts';
import { CompactReplica } from '../compact-replica.ts';
import { FakeFeed } from './fake-feed-link.ts';
import { consumerRecord, environmentRecord, positionAt } from './records.ts';
import { VirtualClock } from './virtual-clock.ts';

/** A feed client under virtual time, and the control plane's side of its conversation. */
export class FedClient {
  readonly clock = new VirtualClock();
  readonly feed: FakeFeed;
  readonly events: string[] = [];
  readonly client: FeedClient;

  constructor(feed: FakeFeed = new FakeFeed()) {
    this.feed = feed;
    this.client = new FeedClient({
      verifierId: `ver_${randomUUID()}`,
      clock: this.clock,
      connect: this.feed.connect,
      emptyReplica: () => new CompactReplica(),
      random: () => 0.5,
      events: {
        connected: () => this.events.push('connected'),
        disconnected: (reason) => this.events.push(`disconnected: ${reason}`),
        failed: (reason) => this.events.push(`failed: ${reason}`),
        fenced: (reason) => this.events.push(`fenced: ${reason}`),
      },
    });
  }

  /** Connects, and answers the hello. */
  connect(position: Position = positionAt(1), changes: Partial<ControlMessage & { type: 'welcome' }> = {}): void {
    this.client.start();
    this.feed.link.open();
    this.welcome(position, changes);
  }

  welcome(position: Position, changes: Partial<ControlMessage & { type: 'welcome' }> = {}): void {
    const mine = this.client.position;
    this.feed.link.say({
      type: 'welcome',
      position,
      hashAtYours: mine === null ? null : positionAt(mine.sequence).hash,
      acceptedEpoch: null,
      ...changes,
    });
  }

  snapshot(records: readonly FeedRecord[], position: Position = positionAt(1), part = 0, last = true): void {
    this.feed.link.say({ type: 'snapshot', position, records, part, last });
  }

  /** The next entry's changes, or those of the sequences given. */
  change(records: readonly FeedRecord[], from = this.sequence, to = from + 1): void {
    this.feed.link.say({ type: 'changes', from, position: positionAt(to), records });
  }

  /** Grants what was asked last. */
  grant(seconds = 30, changes: Partial<ControlMessage & { type: 'grant' }> = {}): void {
    const request = this.feed.link.sentOf('lease').at(-1)?.request ?? -1;
    const leases = [{ environment: 'env_1', seconds }];
    this.feed.link.say({ type: 'grant', request, sequence: this.sequence, leases, ...changes });
  }

  /** Connected, one environment and one consumer known, and a lease held. */
  lead(records: readonly FeedRecord[] = []): this {
    this.connect();
    this.snapshot([environmentRecord(), consumerRecord(), ...records]);
    this.grant();
    return this;
  }

  /** Lets the pause before the next attempt pass. */
  reconnect(): void {
    const before = this.feed.connections.length;
    for (let i = 0; i < 100 && this.feed.connections.length === before; i++) this.clock.advance(100);
    if (this.feed.connections.length === before) throw new Error('the client did not come back');
  }

  get sequence(): number {
    return this.client.position?.sequence ?? 0;
  }

  covers(environment = 'env_1'): boolean {
    return this.client.leases.covers(environment, this.clock.monotonic(), this.clock.wall());
  }
}
