import { credentialPrefixLength, hasPrefix, mayBeCredential } from '@keyhold/protocol/credential-format';
import type { SignedClaim } from '@keyhold/protocol/dialects/dialect';
import type { VerdictCode, VerificationRequest } from '@keyhold/protocol/verdict';
import { Allowance } from './allowance.ts';
import type { Clock, Moment } from './clock.ts';
import { decide } from './decide.ts';
import { digestOf } from './digest.ts';
import type { FeedClient } from './feed-client.ts';
import { isAmong } from './key-rules.ts';
import type { Requirement } from './permissions.ts';
import type { QuotaSlices } from './quota-slices.ts';
import type { ReplicaCredential, ReplicaEnvironment } from './replica.ts';

/** What one synchronous step made of a request: found, decided, and whether the control plane has to be asked. */
export interface Step extends Moment {
  readonly code: VerdictCode;
  readonly environment: ReplicaEnvironment | null;
  readonly credential: ReplicaCredential | null;
  /** What the credential's key may still use; null where there is no credential. */
  readonly allowance: Allowance | null;
  readonly stale: boolean;
  readonly online: OnlineNeed;
  /** True where the request has to show a second factor. */
  readonly secondFactor: boolean;
}

export type OnlineNeed = 'no' | 'confirm' | 'record';

/** Decides from the replica, all at once. */
export class Decider {
  readonly #clock: Clock;
  readonly #feed: FeedClient;
  readonly #slices: QuotaSlices | null;

  constructor(clock: Clock, feed: FeedClient, slices: QuotaSlices | null) {
    this.#clock = clock;
    this.#feed = feed;
    this.#slices = slices;
  }

  get usable(): boolean {
    return this.#feed.position !== null && this.#feed.fenced === null && !this.#feed.stopped;
  }

  /** True while it decides for the environment: by a lease, or stale. */
  serves({ id, afterLease }: ReplicaEnvironment): boolean {
    const [monotonic, wall] = [this.#clock.monotonic(), this.#clock.wall()];
    const { leases } = this.#feed;
    return leases.covers(id, monotonic, wall) || (afterLease === 'serve' && leases.servesStale(id, monotonic, wall));
  }

  /**
   * Everything that a verdict depends on, read in one synchronous step: clocks, lease, credential.
   * INVARIANT: no await in here, and none between this and the verdict.
   * @param claim null: the request has the credential itself
   */
  step(request: VerificationRequest, requirement: Requirement | null, claim: SignedClaim | null): Step {
    const wallMs = this.#clock.wall();
    const monotonicMs = this.#clock.monotonic();
    const { replica, leases } = this.#feed;
    const environment = replica.environment(request.environment) ?? null;
    let stale = false;
    let credential: ReplicaCredential | null = null;
    let allowance: Allowance | null = null;
    let code: VerdictCode = 'VALID';
    if (!this.usable) code = 'VERIFIER_FENCED';
    else if (environment === null) code = claim === null ? codeOfStray(request.key as string) : 'WRONG_ENVIRONMENT';
    else {
      const leased = leases.covers(environment.id, monotonicMs, wallMs);
      stale = !leased && environment.afterLease === 'serve' && leases.servesStale(environment.id, monotonicMs, wallMs);
      const found = leased || stale ? this.#find(request, claim, environment, wallMs) : 'VERIFIER_FENCED';
      if (typeof found === 'string') code = found;
      else {
        credential = found;
        // Asked first and heeded last: its numbers come from memory while the rest is decided.
        allowance = new Allowance(replica.slots, found.key, request.cost ?? 1, { monotonicMs, wallMs }, this.#slices);
        code = decide(found, { requirement, clientIp: request.clientIp, destination: request.destination }, wallMs);
        if (code === 'VALID' && request.permission !== undefined && requirement === null)
          code = 'INSUFFICIENT_PERMISSIONS';
      }
    }
    const asks = code === 'VALID' && environment !== null && environment.settings.size > 0;
    const online = asks ? onlineNeed(environment, requirement) : 'no';
    const secondFactor = code === 'VALID' && takesSecondFactor(environment, requirement);
    return { code, environment, credential, allowance, stale, wallMs, monotonicMs, online, secondFactor };
  }

  #find(
    { key }: VerificationRequest,
    claim: SignedClaim | null,
    environment: ReplicaEnvironment,
    wallMs: number,
  ): ReplicaCredential | VerdictCode {
    return claim === null ? this.#findBearer(key as string, environment) : this.#findSigner(claim, environment, wallMs);
  }

  /**
   * Looks up before it parses: a digest that is known is of a text that was well formed when it was issued, so only
   * what isn't found has to be told apart.
   */
  #findBearer(key: string, environment: ReplicaEnvironment): ReplicaCredential | VerdictCode {
    if (!mayBeCredential(key)) return 'MALFORMED';
    const credential = this.#feed.replica.credential(digestOf(key));
    const prefixed = hasPrefix(key, environment.prefix);
    if (prefixed && credential?.key.environment === environment) return credential;
    if (credentialPrefixLength(key) < 0) return 'MALFORMED';
    return prefixed ? 'NOT_FOUND' : 'WRONG_ENVIRONMENT';
  }

  /** By the id that the client sent: whether it signed is not known yet. */
  #findSigner(
    { credential: id, freshness }: SignedClaim,
    environment: ReplicaEnvironment,
    wallMs: number,
  ): ReplicaCredential | VerdictCode {
    if (freshness !== null && !(freshness.after < wallMs && wallMs <= freshness.until))
      return 'TIMESTAMP_OUT_OF_WINDOW';
    // Bearer credentials are not among them: their secrets sign nothing.
    const credential = this.#feed.replica.signer(id);
    return credential?.key.environment === environment ? credential : 'NOT_FOUND';
  }
}

/** Of a key for an environment that nobody knows: whether it is one at all is said first. */
function codeOfStray(key: string): VerdictCode {
  return credentialPrefixLength(key) < 0 ? 'MALFORMED' : 'WRONG_ENVIRONMENT';
}

/** Where any of the required permissions takes one, whichever of them the key meets the requirement by. */
function takesSecondFactor(environment: ReplicaEnvironment | null, requirement: Requirement | null): boolean {
  const patterns = environment?.rules?.secondFactor;
  if (patterns === undefined || patterns.length === 0 || requirement === null) return false;
  return requirement.permissions.some((required) => isAmong(patterns, required));
}

/** The strictest of all required permissions' settings applies. */
function onlineNeed(environment: ReplicaEnvironment, requirement: Requirement | null): OnlineNeed {
  let need: OnlineNeed = 'no';
  for (const { resource, action } of requirement?.permissions ?? []) {
    for (const setting of environment.settings.values()) {
      const matches =
        (setting.resource === '*' || setting.resource === resource) &&
        (setting.action === '*' || setting.action === action);
      if (matches && setting.everyUse) return 'record';
      if (matches) need = 'confirm';
    }
  }
  return need;
}
