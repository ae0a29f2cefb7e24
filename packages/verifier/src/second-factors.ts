import { createSecretKey, type KeyObject } from 'node:crypto';
import { CLOCK_AHEAD_MS } from '@keyhold/protocol/dialects/dialect';
import type { FactorRecord, TotpMaterial } from '@keyhold/protocol/feed';
import { createdAtOf } from '@keyhold/protocol/id';
import { TOTP_CODE, TOTP_SKEW_STEPS, TOTP_STEP_MS } from '@keyhold/protocol/totp';
import type { PresentedFactor } from '@keyhold/protocol/verdict';
import type { Clock } from './clock.ts';
import type { DistributionKeys } from './distribution-keys.ts';
import { EnvelopeBroken, openEnvelope } from './open-envelope.ts';
import { type PresentedPasskey, provePasskey } from './passkeys.ts';
import type { Replica, ReplicaCredential, ReplicaEnvironment } from './replica.ts';
import { stepOf } from './totp.ts';
import { WrongCodes } from './wrong-codes.ts';

/** Opened secrets kept: that many plaintexts at most are in memory; the one opened longest ago goes. */
const MAX_OPENED = 10_000;

type TotpFactor = FactorRecord & TotpMaterial;

/** What must not count twice. */
export interface FactorUse {
  readonly factor: string;
  /** Factor, and which of its codes. */
  readonly id: string;
  /** It can't have been used before this moment, epoch milliseconds. */
  readonly after: number;
  /** Last moment at which it counts, epoch milliseconds. */
  readonly until: number;
}

export type Checked =
  | { readonly code: 'VALID'; readonly use: FactorUse }
  | { readonly code: 'SECOND_FACTOR_REQUIRED' | 'STORE_UNAVAILABLE' };

export interface Holder {
  readonly environment: ReplicaEnvironment;
  readonly credential: ReplicaCredential;
}

const MISSING: Checked = { code: 'SECOND_FACTOR_REQUIRED' };

/** Checks what a request shows of its consumer's second factors. */
export class SecondFactors {
  readonly #clock: Clock;
  readonly #feed: { readonly replica: Replica };
  readonly #distribution: DistributionKeys;
  readonly #opened = new Map<string, KeyObject>();
  readonly #wrong = new WrongCodes();
  readonly #broken: (factor: string) => void;
  readonly #maxOpened: number;

  /** @param broken told of a factor whose secret does not open where it lies */
  constructor(
    clock: Clock,
    feed: { readonly replica: Replica },
    distribution: DistributionKeys,
    broken: (factor: string) => void,
    maxOpened: number = MAX_OPENED,
  ) {
    this.#maxOpened = maxOpened;
    this.#broken = broken;
    this.#clock = clock;
    this.#feed = feed;
    this.#distribution = distribution;
  }

  /** Asks for the keys that the consumer's secrets lie under, where they are not here; null: nothing to wait for. */
  prepare(holder: Holder): Promise<unknown> | null {
    const missing = this.#codesOf(holder).filter((factor) => this.#secretOf(factor, holder.environment) === null);
    if (missing.length === 0) return null;
    return Promise.all(missing.map(({ vaultKey }) => this.#distribution.obtain(vaultKey)));
  }

  /** False where nothing that was shown is to be compared, whatever it is. */
  mayCompare(holder: Holder, presented: PresentedFactor | undefined): presented is PresentedFactor {
    if (presented === undefined || !TOTP_CODE.test(presented.otp)) return false;
    return this.#codesOf(holder).length > 0 && !this.#wrong.exhausted(nameOf(holder), this.#clock.monotonic());
  }

  /**
   * Whether what was shown is a factor of the consumer. At once: between the comparison and the count of a wrong code
   * nothing comes, so that many guesses at the same time are no more than one after another.
   */
  check(holder: Holder, presented: PresentedFactor | undefined, wallMs: number): Checked {
    if (!this.mayCompare(holder, presented)) return MISSING;
    let [compared, closed] = [false, false];
    for (const factor of this.#codesOf(holder)) {
      const secret = this.#secretOf(factor, holder.environment);
      if (secret === null) {
        closed = true;
        continue;
      }
      compared = true;
      const step = stepOf(secret, factor.algorithm, presented.otp, wallMs);
      if (step !== null) return step > factor.usedStep ? { code: 'VALID', use: useOf(factor, step) } : MISSING;
    }
    // Also where another factor can't be opened now: a guess at this one was a guess.
    if (compared) this.#wrong.count(nameOf(holder), this.#clock.monotonic());
    return { code: closed ? 'STORE_UNAVAILABLE' : 'SECOND_FACTOR_REQUIRED' };
  }

  /** Whether a factor that was checked before an await is still one. */
  stands(holder: Holder, { factor }: FactorUse): boolean {
    return this.#factorsOf(holder).some(({ id }) => id === factor);
  }

  /** Lets go of secrets of factors that are none any more. */
  forgetAllBut(isKnown: (factor: string) => boolean): void {
    for (const factor of this.#opened.keys()) if (!isKnown(factor)) this.#opened.delete(factor);
  }

  /** The use that a passkey's confirmation makes, where it is one of the consumer's; null: it counts as nothing. */
  async provePasskey(holder: Holder, presented: PresentedPasskey, wallMs: number): Promise<FactorUse | null> {
    const { replica } = this.#feed;
    const theirs = this.#factorsOf(holder).flatMap(({ id, type }) =>
      type === 'passkey' ? (replica.passkey(id) ?? []) : [],
    );
    const shown = theirs.find(({ credentialId }) => credentialId === presented.assertion.id);
    return shown === undefined ? null : await provePasskey(shown, presented, wallMs);
  }

  #factorsOf({ environment, credential }: Holder): readonly FactorRecord[] {
    return this.#feed.replica.factors(environment.id, credential.key.consumerId);
  }

  #codesOf(holder: Holder): readonly TotpFactor[] {
    return this.#factorsOf(holder).filter((factor) => factor.type === 'totp');
  }

  /** What an app shares never changes, so what was opened once stays true of it. */
  #secretOf({ id, vaultKey, envelope }: TotpFactor, environment: ReplicaEnvironment): KeyObject | null {
    const known = this.#opened.get(id);
    if (known !== undefined) return known;
    const under = this.#distribution.get(vaultKey);
    const { installation } = this.#distribution;
    if (under === undefined || installation === null) return null;
    const place = { project: environment.projectId, environment: environment.id, id, version: 1, installation };
    try {
      const bytes = openEnvelope(under, envelope, { field: 'factor.secret', ...place });
      const secret = createSecretKey(bytes);
      bytes.fill(0);
      this.#opened.set(id, secret);
      if (this.#opened.size > this.#maxOpened) this.#opened.delete(this.#opened.keys().next().value as string);
      return secret;
    } catch (error) {
      if (!(error instanceof EnvelopeBroken)) throw error;
      this.#broken(id);
      return null;
    }
  }
}

function nameOf({ environment, credential }: Holder): string {
  return `${environment.id} ${credential.key.consumerId}`;
}

/** A code counts from a step before its own to a step after it, and not before there was such a factor. */
function useOf({ id }: TotpFactor, step: number): FactorUse {
  const earliest = (step - TOTP_SKEW_STEPS) * TOTP_STEP_MS;
  return {
    factor: id,
    id: `${id}:${step}`,
    after: Math.max(earliest, createdAtOf(id) - CLOCK_AHEAD_MS),
    until: (step + TOTP_SKEW_STEPS + 1) * TOTP_STEP_MS - 1,
  };
}
