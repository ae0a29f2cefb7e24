import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import type { Random } from '../../random.ts';
import { UsedOnce } from './used-once.ts';

const LIFETIME_MS = 5 * 60_000;
const NONCE_BYTES = 16;
const MAC_BYTES = 32;

/**
 * Challenges for passkeys (WebAuthn §13.4.3): random, of one purpose, for five minutes, good once. What a stranger asks
 * for is remembered nowhere, so that he can push out nobody's: the challenge says itself what it is, under a key of this
 * start. Only what was used is kept, until its time is over.
 */
export class Challenges {
  readonly #key: KeyObject;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #used = new UsedOnce();

  constructor(key: KeyObject, clock: Clock, random: Random) {
    this.#key = key;
    this.#clock = clock;
    this.#random = random;
  }

  /** base64url. */
  make(purpose: string): string {
    const body = Buffer.alloc(8 + NONCE_BYTES);
    body.writeDoubleBE(this.#clock.monotonic() + LIFETIME_MS);
    body.set(this.#random.bytes(NONCE_BYTES), 8);
    return Buffer.concat([body, this.#mac(purpose, body)]).toString('base64url');
  }

  /** Whether it was made for this purpose, and is in time and unused. */
  isOpen(purpose: string, challenge: string): boolean {
    const bytes = Buffer.from(challenge, 'base64url');
    if (bytes.length !== 8 + NONCE_BYTES + MAC_BYTES || bytes.toString('base64url') !== challenge) return false;
    const body = bytes.subarray(0, 8 + NONCE_BYTES);
    if (!timingSafeEqual(bytes.subarray(8 + NONCE_BYTES), this.#mac(purpose, body))) return false;
    return this.#clock.monotonic() < body.readDoubleBE() && !this.#used.has(challenge);
  }

  /** Takes an open one; false where somebody else was faster. */
  take(purpose: string, challenge: string): boolean {
    if (!this.isOpen(purpose, challenge)) return false;
    const now = this.#clock.monotonic();
    return this.#used.take(challenge, now, now + LIFETIME_MS);
  }

  #mac(purpose: string, body: Buffer): Buffer {
    return createHmac('sha256', this.#key).update(`${purpose}\n`).update(body).digest();
  }
}
