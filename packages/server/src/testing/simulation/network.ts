import type { ControlMessage, VerifierMessage } from '@keyhold/protocol/feed';
import type { FeedHandlers, FeedLink } from '@keyhold/verifier/feed-link';
import type { FeedSession } from '../../feed/feed-session.ts';
import type { ControlMachine } from './control-machine.ts';
import type { Dice } from './dice.ts';
import type { MachineClock, VirtualTime } from './virtual-time.ts';

/** How badly messages travel. */
export interface Weather {
  readonly loss: number;
  readonly duplication: number;
  /** False: in order, as TCP delivers. */
  readonly reordering: boolean;
  readonly maxDelayMs: number;
}

export const CALM: Weather = { loss: 0, duplication: 0, reordering: false, maxDelayMs: 5 };

/** Seams where the simulation plants bugs into what travels. */
export interface Tampering {
  /** Called for each message to a verifier; returns what is delivered now. */
  toVerifier?(message: ControlMessage, reply: (message: VerifierMessage) => void): ControlMessage | 'later';
}

const REFUSED_AFTER_MS = 20;

/** Carries messages between one control plane and its verifiers. */
export class Network {
  weather: Weather = CALM;
  readonly #time: VirtualTime;
  readonly #dice: Dice;
  readonly #partitioned = new Set<string>();

  constructor(time: VirtualTime, dice: Dice) {
    this.#time = time;
    this.#dice = dice;
  }

  partition(verifier: string, apart: boolean): void {
    if (apart) this.#partitioned.add(verifier);
    else this.#partitioned.delete(verifier);
  }

  connect(
    verifier: string,
    clock: MachineClock,
    control: ControlMachine | null,
    handlers: FeedHandlers,
    tampering: Tampering,
  ): FeedLink {
    const wire = new Wire(this.#time, this.#dice, () => (this.#partitioned.has(verifier) ? null : this.weather));
    if (control === null || this.#partitioned.has(verifier)) {
      this.#time.after(REFUSED_AFTER_MS, () => clock.react(() => handlers.closed('refused')));
      return { send: () => {}, close: () => {} };
    }
    let session: FeedSession | null = null;
    const end = () => {
      if (wire.closed) return;
      wire.closed = true;
      if (session !== null) control.detach(session);
      this.#time.after(1, () => clock.react(() => handlers.closed('ended')));
    };
    const toControl = (message: VerifierMessage) =>
      wire.carry(() => control.clock.react(() => session?.receive(structuredClone(message))), 'up');
    const deliver = (message: ControlMessage) => clock.react(() => !wire.closed && handlers.received(message));
    session = control.attach({
      send: (text) =>
        wire.carry(() => {
          const message = JSON.parse(text) as ControlMessage;
          const tampered = tampering.toVerifier?.(message, (reply) => session?.receive(reply)) ?? message;
          if (tampered === 'later') this.#time.after(this.#dice.between(0, 20_000), () => deliver(message));
          else deliver(tampered);
        }, 'down'),
      bufferedBytes: 0,
      close: () => this.#time.after(1, end),
    });
    control.onCrash(end);
    this.#time.after(1, () => clock.react(() => handlers.opened()));
    return { send: (message) => toControl(message), close: () => this.#time.after(1, end) };
  }
}

/** One connection's two directions. */
class Wire {
  closed = false;
  readonly #time: VirtualTime;
  readonly #dice: Dice;
  readonly #weather: () => Weather | null;
  readonly #last = { up: 0, down: 0 };

  constructor(time: VirtualTime, dice: Dice, weather: () => Weather | null) {
    this.#time = time;
    this.#dice = dice;
    this.#weather = weather;
  }

  carry(deliver: () => void, direction: 'up' | 'down'): void {
    const weather = this.#weather();
    if (weather === null || this.closed || this.#dice.chance(weather.loss)) return;
    const copies = this.#dice.chance(weather.duplication) ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      let at = this.#time.now + this.#dice.between(0.1, weather.maxDelayMs);
      if (!weather.reordering) this.#last[direction] = at = Math.max(at, this.#last[direction] + 0.001);
      this.#time.at(at, () => {
        if (!this.closed) deliver();
      });
    }
  }
}
