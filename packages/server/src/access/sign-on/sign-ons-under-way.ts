import { createHash, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import type { Random } from '../../random.ts';
import type { SignOnChecks } from './sign-on.ts';

const MINUTES_10_MS = 600_000;
/** The oldest goes where there are more: strangers begin them. */
const MAX_UNDER_WAY = 10_000;
const MAX_OF_NETWORK = 200;

/** Whoever wants to be known as somebody at a provider, and with which session he asked. */
export interface Linking {
  readonly person: string;
  readonly session: string;
}

export interface UnderWay {
  readonly checks: SignOnChecks;
  /** Null: he signs in. */
  readonly link: Linking | null;
}

interface Held extends UnderWay {
  readonly signOn: string;
  readonly network: string;
  /** SHA-256 of what the cookie of the browser holds that began it. */
  readonly browser: Buffer;
  readonly until: number;
}

const digestOf = (text: string) => createHash('sha256').update(text).digest();

/** Sign-ins that a provider was asked for. Each is of one browser, and of one provider, and comes back once. */
export class SignOnsUnderWay {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #open = new Map<string, Held>();
  readonly #ofNetwork = new Map<string, Set<string>>();
  readonly #tickets = new Map<string, Linking & { readonly signOn: string; readonly until: number }>();

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  #secret(): string {
    return Buffer.from(this.#random.bytes(32)).toString('base64url');
  }

  /** Begins one; resolves to what the browser's cookie is to hold. */
  begin(signOn: string, network: string, { checks, link }: UnderWay): string {
    const cookie = this.#secret();
    const until = this.#clock.monotonic() + MINUTES_10_MS;
    this.#open.set(checks.state, { signOn, network, checks, link, browser: digestOf(cookie), until });
    const own = (this.#ofNetwork.get(network) ?? new Set<string>()).add(checks.state);
    this.#ofNetwork.set(network, own);
    // Whoever begins many pushes out his own first.
    if (own.size > MAX_OF_NETWORK) this.#forget(own.values().next().value as string);
    if (this.#open.size > MAX_UNDER_WAY) this.#forget(this.#open.keys().next().value as string);
    return cookie;
  }

  #forget(state: string): void {
    const held = this.#open.get(state);
    if (held === undefined) return;
    this.#open.delete(state);
    const own = this.#ofNetwork.get(held.network);
    own?.delete(state);
    if (own?.size === 0) this.#ofNetwork.delete(held.network);
  }

  /** What it is held by; null for whoever did not begin it there, in this browser, or comes again, or late. */
  take(signOn: string, state: string, cookie: string): UnderWay | null {
    const found = this.#open.get(state);
    if (found === undefined || found.signOn !== signOn || !timingSafeEqual(found.browser, digestOf(cookie)))
      return null;
    this.#forget(state);
    return this.#clock.monotonic() < found.until ? found : null;
  }

  /** What a page goes to the provider with, once, to link somebody with who he is there. */
  ticket(signOn: string, linking: Linking): string {
    const ticket = this.#secret();
    this.#tickets.set(ticket, { ...linking, signOn, until: this.#clock.monotonic() + MINUTES_10_MS });
    if (this.#tickets.size > MAX_OF_NETWORK) this.#tickets.delete(this.#tickets.keys().next().value as string);
    return ticket;
  }

  takeTicket(signOn: string, ticket: string): Linking | null {
    const found = this.#tickets.get(ticket);
    this.#tickets.delete(ticket);
    return found?.signOn === signOn && this.#clock.monotonic() < found.until ? found : null;
  }
}
