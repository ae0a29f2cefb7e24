import { createHash, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import type { Random } from '../../random.ts';
import type { SignOnChecks } from './sign-on.ts';

const MINUTES_10_MS = 600_000;
/** The oldest goes where there are more: strangers begin them. */
const MAX_UNDER_WAY = 10_000;

interface UnderWay {
  readonly signOn: string;
  readonly checks: SignOnChecks;
  /** SHA-256 of what the cookie of the browser holds that began it. */
  readonly browser: Buffer;
  readonly until: number;
}

const digestOf = (text: string) => createHash('sha256').update(text).digest();

/** Sign-ins that a provider was asked for. Each is of one browser, and of one provider, and comes back once. */
export class SignOnsUnderWay {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #open = new Map<string, UnderWay>();

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Begins one; resolves to what the browser's cookie is to hold. */
  begin(signOn: string, checks: SignOnChecks): string {
    const cookie = Buffer.from(this.#random.bytes(32)).toString('base64url');
    const until = this.#clock.monotonic() + MINUTES_10_MS;
    this.#open.set(checks.state, { signOn, checks, browser: digestOf(cookie), until });
    if (this.#open.size > MAX_UNDER_WAY) this.#open.delete(this.#open.keys().next().value as string);
    return cookie;
  }

  /** What it is held by; null for whoever did not begin it there, in this browser, or comes again. */
  take(signOn: string, state: string, cookie: string): SignOnChecks | null {
    const found = this.#open.get(state);
    if (found === undefined || found.signOn !== signOn || !timingSafeEqual(found.browser, digestOf(cookie)))
      return null;
    this.#open.delete(state);
    return this.#clock.monotonic() < found.until ? found.checks : null;
  }
}
