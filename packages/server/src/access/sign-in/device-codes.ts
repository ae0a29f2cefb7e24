import { hash } from 'node:crypto';
import { DEVICE_PREFIX, formatCredential } from '@keyhold/protocol/credential-format';
import type { Clock } from '../../clock.ts';
import type { Random } from '../../random.ts';
import { Secret } from '../../vault/secret.ts';

export const DEVICE_CODE_SECONDS = 300;
/** One for each person. */
const MAX_KEPT = 1_000;

/** Who signs a command line in as himself. */
export interface DevicePerson {
  readonly person: string;
  readonly passkey: string;
  /** Of his browser. */
  readonly session: string;
}

/**
 * Codes with which a command line signs in: made where a person is signed in already, and good once, for five minutes.
 * Nobody can be talked into confirming a code that a stranger began (RFC 8628 §5.4).
 */
export class DeviceCodes {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #open = new Map<string, DevicePerson & { readonly until: number }>();

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** A new one takes the place of the one that the person had. */
  make(by: DevicePerson): Secret {
    for (const [digest, { person, until }] of this.#open) {
      if (person === by.person || until <= this.#clock.monotonic()) this.#open.delete(digest);
    }
    const [oldest] = this.#open.keys();
    if (this.#open.size >= MAX_KEPT && oldest !== undefined) this.#open.delete(oldest);
    const text = formatCredential(DEVICE_PREFIX, this.#random.bytes(32));
    const until = this.#clock.monotonic() + DEVICE_CODE_SECONDS * 1000;
    this.#open.set(hash('sha256', text, 'hex'), { ...by, until });
    return new Secret(text);
  }

  /** Whose it is; gone with this. */
  take(code: string): DevicePerson | null {
    const digest = hash('sha256', code, 'hex');
    const found = this.#open.get(digest);
    this.#open.delete(digest);
    return found !== undefined && this.#clock.monotonic() < found.until ? found : null;
  }
}
