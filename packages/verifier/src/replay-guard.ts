import { hash } from 'node:crypto';
import {
  CLOCK_AHEAD_MS,
  type Freshness,
  type ReceivedRequest,
  type SignedClaim,
} from '@keyhold/protocol/dialects/dialect';
import type { SigningRecord } from '@keyhold/protocol/feed';
import { createdAtOf } from '@keyhold/protocol/id';
import type { VerdictCode } from '@keyhold/protocol/verdict';
import type { Moment } from './clock.ts';
import type { Requirement } from './permissions.ts';
import { ReplayMemory, type Sighting } from './replay-memory.ts';
import type { FactorUse } from './second-factors.ts';
import type { TakeRequest } from './shared-store.ts';
import { bytesOf, isHmac } from './verify-signature.ts';

const CODES = {
  fresh: 'VALID',
  seen: 'REPLAYED',
  full: 'STORE_UNAVAILABLE',
  forgotten: 'TIMESTAMP_OUT_OF_WINDOW',
} as const satisfies Record<Sighting, VerdictCode>;

interface ReadBy {
  readonly dialects: SigningRecord['dialects'];
  readonly replayReads: SigningRecord['replayReads'];
  /** Both as text. */
  readonly text: string;
  readonly since: Moment;
}

/** Sees to it that what was signed once is accepted once. */
export class ReplayGuard {
  readonly memory: ReplayMemory;
  readonly #startedAt: Moment;
  /** The latest time seen, epoch milliseconds: a clock set back forgets nothing. */
  #latest: number;
  /** By environment, the settings that its requests were read by, and since when. */
  readonly #readBy = new Map<string, ReadBy>();
  /** Whether it ever accepted what the shared store knows nothing of. */
  #wentAlone = false;

  /** @param startedAt since when this verifier remembers */
  constructor(startedAt: Moment, memory = new ReplayMemory()) {
    this.#startedAt = startedAt;
    this.#latest = startedAt.wallMs;
    this.memory = memory;
  }

  /** From now on requests are read by these settings: whatever is signed later is new, however late it comes. */
  reads(signing: SigningRecord, now: Moment): void {
    this.#readingSince(signing, now);
  }

  /**
   * Remembers a request in this verifier alone. INVARIANT: called in the last step, with nothing awaited after it:
   * nobody without the secret can spend another's nonce, and of two at once one is refused.
   */
  remember(claim: SignedClaim, signing: SigningRecord, now: Moment): VerdictCode {
    // One verifier that guards alone has to be the only one, and its environment has to have said so.
    if (signing.replay !== 'verifier' || claim.freshness === null) return 'STORE_UNAVAILABLE';
    return this.#rememberSince(claim, claim.freshness, signing, now);
  }

  /** The same while a shared store can't be asked, for requests that may do without it: better than nothing. */
  rememberMeanwhile(claim: SignedClaim, signing: SigningRecord, now: Moment): VerdictCode {
    // Without a time nothing tells what was accepted before this verifier was there from what is new.
    if (claim.freshness === null) return 'STORE_UNAVAILABLE';
    const code = this.#rememberSince(claim, claim.freshness, signing, now);
    this.#wentAlone ||= code === 'VALID';
    return code;
  }

  /**
   * What a store accepted that this verifier may accept without it: neither accepts it after the other. The store alone
   * decides where there is no room here, or nothing is known of its time any more. Called for what never goes without the
   * store too: an outage has to find by which settings was read before it.
   * @param reads whether it only reads
   */
  rememberBeside(claim: SignedClaim, signing: SigningRecord, reads: boolean, now: Moment): VerdictCode {
    const since = this.#readingSince(signing, now);
    const { freshness } = claim;
    if (freshness === null || !reads) return 'VALID';
    if (signing.replayReads === 'allow') {
      const sighting = this.memory.once(identityOf(claim), freshness.until, now.wallMs, claim.nonce !== null);
      if (sighting === 'seen') return 'REPLAYED';
    }
    // By the settings before, it may have gone without the store, and is not found where these look.
    const mayHaveGone = this.#wentAlone && since !== this.#startedAt && freshness.after < wallOf(since, now);
    return mayHaveGone ? 'TIMESTAMP_OUT_OF_WINDOW' : 'VALID';
  }

  #rememberSince(claim: SignedClaim, freshness: Freshness, signing: SigningRecord, now: Moment): VerdictCode {
    // What was good before it was there may have been accepted by the one before it.
    if (freshness.after < wallOf(this.#readingSince(signing, now), now)) return 'TIMESTAMP_OUT_OF_WINDOW';
    return CODES[this.memory.once(identityOf(claim), freshness.until, now.wallMs, claim.nonce !== null)];
  }

  /**
   * Since when this verifier has read requests by these settings. By others the same request may be good for longer
   * than it was remembered, or was not remembered, so that what was signed before a change is not accepted after it.
   */
  #readingSince({ environment, dialects, replayReads }: SigningRecord, { wallMs, monotonicMs }: Moment): Moment {
    this.#latest = Math.max(this.#latest, wallMs);
    const known = this.#readBy.get(environment);
    if (known?.dialects === dialects && known.replayReads === replayReads) return known.since;
    // A replica that was fed anew has the same in another place.
    const text = JSON.stringify({ dialects, replayReads });
    const changedAt = { wallMs: this.#latest, monotonicMs };
    const since = known === undefined ? this.#startedAt : known.text === text ? known.since : changedAt;
    this.#readBy.set(environment, { dialects, replayReads, text, since });
    return since;
  }

  /** Whether a code was used already, as far as this verifier alone knows. */
  isUsed({ id, until }: FactorUse): boolean {
    return this.memory.has(hash('sha256', id, 'buffer'), until);
  }

  /** Remembers the code of a second factor in this verifier alone. INVARIANT: as of {@link remember}. */
  use({ id, after, until }: FactorUse, signing: SigningRecord | null, now: Moment): VerdictCode {
    if (signing?.replay !== 'verifier') return 'STORE_UNAVAILABLE';
    // It may have been used with the verifier before this one: a newer code was not.
    if (after < wallOf(this.#startedAt, now)) return 'SECOND_FACTOR_REQUIRED';
    const sighting = this.memory.once(hash('sha256', id, 'buffer'), until, now.wallMs, false);
    if (sighting === 'fresh') return 'VALID';
    return sighting === 'full' ? 'STORE_UNAVAILABLE' : 'SECOND_FACTOR_REQUIRED';
  }
}

/**
 * What the wall clock says of a past moment, epoch milliseconds: what it said then, or where it was set forth since, what
 * it should have said. Whoever signed meanwhile may have had the right time.
 */
function wallOf(past: Moment, now: Moment): number {
  return Math.max(past.wallMs, now.wallMs - (now.monotonicMs - past.monotonicMs));
}

/** What a store that several verifiers share is to remember of a request. */
export function sharedNonce(claim: SignedClaim): TakeRequest['replay'] {
  const { credential, freshness, nonce } = claim;
  if (nonce?.kind === 'rising') {
    const ahead = freshness === null ? CLOCK_AHEAD_MS : aheadMs(freshness);
    const credentialCreatedAt = createdAtOf(credential);
    return { kind: 'rising', id: credential, value: nonce.value, aheadMs: ahead, credentialCreatedAt };
  }
  if (freshness === null) return null;
  const id = `${credential}:${Buffer.from(identityOf(claim)).toString('base64url')}`;
  const { signedAt, until: untilMs, longest: keptUntilMs = untilMs } = freshness;
  return { kind: 'once', id, signedAt, untilMs, keptUntilMs, aheadMs: aheadMs(freshness) };
}

/** The same of a second factor's code. */
export function sharedUse({ id, after, until }: FactorUse): TakeRequest['factor'] {
  return { kind: 'once', id, signedAt: after, untilMs: until, keptUntilMs: until, aheadMs: 0 };
}

/** Whether a request only reads: by the permissions that it takes, or where it takes none by its method. */
export function onlyReads(requirement: Requirement | null, { method }: ReceivedRequest): boolean {
  if (requirement === null) return method === 'GET' || method === 'HEAD';
  return requirement.permissions.every(({ action }) => action === 'read');
}

function aheadMs({ signedAt, after }: Freshness): number {
  return signedAt - after;
}

/**
 * What tells one request from another: its nonce, or what was signed. Not the signature: of ECDSA and RSA-PSS there are
 * many of one base. An HMAC is as good as its base, and known already.
 */
function identityOf({ credential, nonce, base, signature, algorithms }: SignedClaim): Uint8Array {
  if (nonce?.kind === 'once') return hash('sha256', `${credential}\0${nonce.value}`, 'buffer');
  // Of an HMAC the first bytes are as good as all of them.
  if (algorithms.every(isHmac)) return signature;
  return hash('sha256', bytesOf([`${credential}\0`, ...base]), 'buffer');
}
