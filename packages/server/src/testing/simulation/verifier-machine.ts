import { FeedClient } from '@keyhold/verifier/feed-client';
import { CompactReplica } from '@keyhold/verifier/compact-replica';
import { Verifier } from '@keyhold/verifier/verifier';
import type { Clock } from '../../clock.ts';
import type { ControlMachine } from './control-machine.ts';
import type { Dice } from './dice.ts';
import type { Network, Tampering } from './network.ts';
import { MachineClock, type VirtualTime } from './virtual-time.ts';

/** Seams where the simulation plants bugs into a verifier. */
export interface VerifierTampering {
  network?(client: () => FeedClient): Tampering;
  /** The clock that the decision reads. */
  clock?(clock: Clock, client: () => FeedClient): Clock;
}

/** One verifier process: the shipped replica, feed client, leases and decision on a virtual clock. */
export class VerifierMachine {
  readonly id: string;
  readonly clock: MachineClock;
  readonly client: FeedClient;
  readonly verifier: Verifier;

  constructor(
    time: VirtualTime,
    dice: Dice,
    network: Network,
    control: () => ControlMachine | null,
    tampering: VerifierTampering,
  ) {
    this.id = dice.newId('verifier');
    this.clock = new MachineClock(time, dice.between(0.9951, 1.0049), dice.between(-60_000, 60_000));
    const wire = tampering.network?.(() => this.client) ?? {};
    this.client = new FeedClient({
      verifierId: this.id,
      clock: this.clock,
      connect: (handlers) => network.connect(this.id, this.clock, control(), handlers, wire),
      emptyReplica: () => new CompactReplica(),
      random: dice.next,
      events: {},
    });
    this.verifier = new Verifier(tampering.clock?.(this.clock, () => this.client) ?? this.clock, this.client);
    this.verifier.start();
  }

  /** Whether, by its true clocks, it may decide alone now. */
  holdsLease(environment: string): boolean {
    return this.client.leases.covers(environment, this.clock.monotonic(), this.clock.wall());
  }

  /** Says goodbye, as the shipped verifier does. */
  stop(): void {
    void this.verifier.stop();
  }

  kill(): void {
    this.clock.dead = true;
  }
}
