import { hash } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import type { Random } from '../../random.ts';
import type { SentRequest } from '@keyhold/protocol/confirmation';

/** How long a command line's request waits for its person, and how long after his word it has to be sent again. */
const LIFETIME_MS = 10 * 60_000;
/** Of one command line: none pushes out what another asked. */
const MAX_PER_SESSION = 10;
export const MAX_PENDING_BYTES = 64 * 1024;

/** What a command line asked for, and its person has to confirm where he has a browser. */
export interface PendingRequest {
  readonly id: string;
  readonly person: string;
  /** Of the command line. */
  readonly session: string;
  readonly method: string;
  readonly target: string;
  readonly body: string;
  readonly bodySha256: string;
  readonly keepsSignature: boolean;
  /** Address of the peer. */
  readonly from: string;
  /** Epoch milliseconds. */
  readonly askedAt: number;
}

interface Held extends PendingRequest {
  readonly until: number;
  readonly confirmed: boolean;
}

/** Requests that wait, in memory: what is lost is asked again. */
export class PendingRequests {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #held = new Map<string, Held>();

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Lets a request wait; the same one again waits as the same. Of too many the oldest goes. */
  hold(person: string, session: string, { method, target, body, ip, keepsSignature }: SentRequest): string {
    const bodySha256 = hash('sha256', body, 'hex');
    const own = this.#of(person).filter((held) => held.session === session);
    const same = own.find((one) => isSame(one, session, method, target, bodySha256) && !one.confirmed);
    if (same !== undefined) return same.id;
    for (const { id } of own.slice(0, Math.max(0, own.length + 1 - MAX_PER_SESSION))) this.#held.delete(id);
    const id = this.#random.newId('confirmation');
    const text = Buffer.from(body).toString('utf8');
    const asked = { method, target, body: text, bodySha256, keepsSignature, from: ip, askedAt: this.#clock.wall() };
    const until = this.#clock.monotonic() + LIFETIME_MS;
    this.#held.set(id, { id, person, session, ...asked, until, confirmed: false });
    return id;
  }

  /** Those of a person that wait for his word, oldest first. */
  list(person: string): readonly PendingRequest[] {
    return this.#of(person).filter(({ confirmed }) => !confirmed);
  }

  find(person: string, id: string): PendingRequest | undefined {
    return this.list(person).find((one) => one.id === id);
  }

  /** The person has confirmed it: it can be sent again, once. */
  confirm(id: string): void {
    const held = this.#held.get(id);
    if (held !== undefined) this.#held.set(id, { ...held, confirmed: true });
  }

  discard(id: string): void {
    this.#held.delete(id);
  }

  /** Whether just this request was confirmed; it is used by this. */
  take(id: string, session: string, { method, target, body }: SentRequest): boolean {
    const held = this.#held.get(id);
    if (held === undefined || !held.confirmed || held.until <= this.#clock.monotonic()) return false;
    if (!isSame(held, session, method, target, hash('sha256', body, 'hex'))) return false;
    return this.#held.delete(id);
  }

  #of(person: string): Held[] {
    const now = this.#clock.monotonic();
    for (const { id, until } of this.#held.values()) if (until <= now) this.#held.delete(id);
    return [...this.#held.values()].filter((held) => held.person === person);
  }
}

function isSame(held: Held, session: string, method: string, target: string, bodySha256: string): boolean {
  const same = held.session === session && held.method === method && held.target === target;
  return same && held.bodySha256 === bodySha256;
}
