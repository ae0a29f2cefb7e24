import type { ReceivedRequest, SignedClaim } from '@keyhold/protocol/dialects/dialect';
import type { DialectName } from '@keyhold/protocol/dialects/settings';
import type { SigningRecord } from '@keyhold/protocol/feed';
import { VERDICT_CODES, type Verdict, type VerdictCode, type VerificationRequest } from '@keyhold/protocol/verdict';
import type { OnlineAnswer, OnlineQuestion } from '@keyhold/protocol/verification-messages';
import type { Allowance } from './allowance.ts';
import type { Step } from './decider.ts';
import { evidenceOf } from './evidence.ts';
import type { FeedClient } from './feed-client.ts';
import { readableAddress } from './networks.ts';
import type { PresentedPasskey } from './passkeys.ts';
import type { Requirement } from './permissions.ts';
import type { QuotaSlices } from './quota-slices.ts';
import { learnQuotaUse } from './quota-use.ts';
import type { ReplicaCredential, ReplicaEnvironment } from './replica.ts';
import { onlyReads, type ReplayGuard, sharedNonce, sharedUse } from './replay-guard.ts';
import type { FactorUse, Holder, SecondFactors } from './second-factors.ts';
import { type LimitDescription, SharedAllowance } from './shared-allowance.ts';
import type { Answered, SharedStore, Taken, TakeRequest } from './shared-store.ts';

/** A request whose signature is known to be true. */
export interface SignedRequest {
  readonly claim: SignedClaim;
  readonly dialect: DialectName;
  readonly received: ReceivedRequest;
}

/** What came out of a request. INVARIANT: worded in the same synchronous step as `step` was made in. */
export interface Outcome {
  readonly step: Step;
  readonly code: VerdictCode;
  readonly signed?: SignedRequest | null;
  /** What was taken of the store that verifiers share; else it is taken of this verifier's own. */
  readonly taken?: LimitDescription | null;
  /** True where nobody showed that he holds the secret: the verdict names no ids. */
  readonly unproven?: boolean;
}

/** One request on its way to a verdict. */
export interface Deciding {
  readonly request: VerificationRequest;
  readonly requirement: Requirement | null;
  readonly signed: SignedRequest | null;
  readonly first: Step;
  /** A passkey's confirmation of the request; null where there is none. */
  readonly passkey: PresentedPasskey | null;
  /** The second factor that was shown, checked and not used yet. */
  readonly use?: FactorUse;
  /** The nonce is remembered already. */
  readonly nonceSpent?: true;
  /** Decides anew, by clocks and replica as they are now. */
  readonly again: () => Step;
  /**
   * Makes the verdict. INVARIANT: called in the same synchronous step as its outcome's own: between the two another
   * request could take what is left, and the credential that was found may be another's by then.
   */
  readonly conclude: (outcome: Outcome) => Verdict;
}

interface LastStepOptions {
  readonly feed: FeedClient;
  readonly store: SharedStore | null;
  readonly slices: QuotaSlices | null;
  readonly guard: ReplayGuard;
  readonly factors: SecondFactors;
}

/**
 * What is asked and remembered beside the replica, once a request is known to be good: the control plane, nonces,
 * limits that verifiers share. Whatever is awaited, the decision is made again after it, and the last one counts.
 */
export class LastStep {
  readonly #feed: FeedClient;
  readonly #store: SharedStore | null;
  readonly #slices: QuotaSlices | null;
  readonly #guard: ReplayGuard;
  readonly #factors: SecondFactors;

  constructor({ feed, store, slices, guard, factors }: LastStepOptions) {
    this.#feed = feed;
    this.#store = store;
    this.#slices = slices;
    this.#guard = guard;
    this.#factors = factors;
  }

  /** True where a verdict can't be made from memory alone. */
  awaits({ online, secondFactor, allowance }: Step): boolean {
    if (online !== 'no' || secondFactor) return true;
    return this.#store === null ? (allowance?.missing ?? null) !== null : allowance?.limited === true;
  }

  /** At once where nothing has to be waited for, as with most signed requests. */
  take(deciding: Deciding): Verdict | Promise<Verdict> {
    return deciding.first.secondFactor ? this.#checkFactor(deciding) : this.#go(deciding, deciding.first);
  }

  /**
   * INVARIANT: a code is compared only in a request that is new, so its nonce is spent first, whatever the code is. Who
   * sends one request again and again would else tell a right code from wrong ones by how each is refused, and as often
   * as he likes: what he overheard must not be counted against its consumer.
   */
  async #checkFactor(deciding: Deciding): Promise<Verdict> {
    const { signed, request, again, conclude } = deciding;
    const wait = this.#factors.prepare(holderOf(deciding.first));
    if (wait !== null) await wait;
    const ready = wait === null ? deciding.first : again();
    if (ready.code !== 'VALID' || !ready.secondFactor) return await this.#go(deciding, ready);
    if (deciding.passkey !== null) return await this.#checkPasskey(deciding, deciding.passkey, ready);
    const { otp } = signed?.claim ?? {};
    const presented = otp === undefined ? request.secondFactor : { otp };
    if (!this.#factors.mayCompare(holderOf(ready), presented)) {
      return conclude({ step: ready, code: 'SECOND_FACTOR_REQUIRED', signed });
    }
    const spent = signed === null ? null : await this.#spendNonce(signed, ready);
    const step = spent === null ? ready : again();
    const code = step.code === 'VALID' ? (spent ?? 'VALID') : step.code;
    if (code !== 'VALID') return conclude({ step, code, signed });
    const onward: Deciding = spent === null ? deciding : { ...deciding, nonceSpent: true };
    if (!step.secondFactor) return await this.#go(onward, step);
    const checked = this.#factors.check(holderOf(step), presented, step.wallMs);
    if (checked.code !== 'VALID') return conclude({ step, code: checked.code, signed });
    return await this.#go({ ...onward, use: checked.use }, step);
  }

  /** Nobody guesses a passkey's signature: it is looked at before anything is spent, and counted against nobody. */
  async #checkPasskey(deciding: Deciding, passkey: PresentedPasskey, ready: Step): Promise<Verdict> {
    const use = await this.#factors.provePasskey(holderOf(ready), passkey, ready.wallMs);
    const proven: Deciding = use === null ? deciding : { ...deciding, use };
    const step = this.#again(proven);
    if (step.code === 'VALID' && step.secondFactor && use === null) {
      return deciding.conclude({ step, code: 'SECOND_FACTOR_REQUIRED', signed: deciding.signed });
    }
    return await this.#go(proven, step);
  }

  async #spendNonce(signed: SignedRequest, step: Step): Promise<VerdictCode> {
    const replay = this.#store === null ? null : sharedNonce(signed.claim);
    if (this.#store === null || replay === null) return this.#rememberNonce(signed, step);
    const owner = holderOf(step).credential.key.consumerId;
    const taken = await this.#store.take({ owner, replay, factor: null, limits: [], quota: null, cost: 0 });
    return taken.code === 'UNAVAILABLE' ? 'STORE_UNAVAILABLE' : CODE_OF_TAKEN[taken.code];
  }

  #go(deciding: Deciding, first: Step): Verdict | Promise<Verdict> {
    const { signed, conclude } = deciding;
    if (first.code !== 'VALID') return conclude({ step: first, code: first.code, signed });
    const local = this.#store === null || first.allowance?.limited !== true;
    // Nothing is asked or spent for what is refused anyway.
    if (local && first.allowance?.code !== 'VALID') {
      return conclude({ step: first, code: first.code, signed });
    }
    if (missingOf(first) === null) return this.#remember(deciding, first);
    return this.#handed(deciding, first, (step, code) =>
      code === 'VALID' && step.allowance?.code === 'VALID'
        ? this.#remember(deciding, step)
        : conclude({ step, code, signed }),
    );
  }

  /**
   * Asks for what of the quota this verifier was not handed yet, until it is there or nobody has any. Where nobody can be
   * asked, as the quota says: counted here, or refused.
   * @param then called in the same synchronous step as its step was made in
   */
  async #handed(
    deciding: Deciding,
    first: Step,
    then: (step: Step, code: VerdictCode) => Verdict | Promise<Verdict>,
  ): Promise<Verdict> {
    let step = first;
    for (let missing = missingOf(step); missing !== null && this.#slices !== null; missing = missingOf(step)) {
      const obtained = await this.#slices.obtain(missing.key, missing.start, missing.units);
      step = this.#again(deciding);
      if (missingOf(step) === null || obtained === 'asked') continue;
      if (obtained === 'none') return await then(step, 'QUOTA_EXCEEDED');
      const refuses = step.credential?.key.quota?.withoutStore === 'refuse';
      return await then(step, refuses ? 'STORE_UNAVAILABLE' : 'VALID');
    }
    return await then(step, step.code);
  }

  /**
   * Nonce, limits and quota: in the store where there is one, else here and in this very step. Before the control plane
   * is asked, so that what is sent twice is not entered twice.
   */
  #remember(deciding: Deciding, step: Step): Verdict | Promise<Verdict> {
    const { signed } = deciding;
    const { credential, allowance } = step;
    if (credential === null || allowance === null) return deciding.conclude({ step, code: step.code, signed });
    const asksNonce = signed !== null && this.#store !== null && deciding.nonceSpent !== true;
    const replay = asksNonce ? sharedNonce(signed.claim) : null;
    const factor = deciding.use === undefined ? null : sharedUse(deciding.use);
    if (this.#store !== null && (replay !== null || factor !== null || allowance.limited)) {
      const shared = SharedAllowance.of(credential, deciding.request.cost ?? 1, allowance, step.wallMs);
      return this.#takeShared(this.#store, deciding, shared, { ...shared.request, replay, factor });
    }
    return this.#confirmed(deciding, { step, code: this.#rememberHere(deciding, step), signed });
  }

  async #takeShared(
    store: SharedStore,
    deciding: Deciding,
    shared: SharedAllowance,
    request: TakeRequest,
  ): Promise<Verdict> {
    const taken = await store.take(request);
    return await this.#confirmed(deciding, this.#afterTaking(deciding, shared, taken));
  }

  /** The verdict, or where the control plane has to be asked what it says. */
  #confirmed(deciding: Deciding, outcome: Outcome): Verdict | Promise<Verdict> {
    const asks = outcome.code === 'VALID' && outcome.step.online !== 'no';
    return asks ? this.#confirm(deciding, outcome) : deciding.conclude(outcome);
  }

  /** Asks the control plane, then decides again: the second decision is the verdict. */
  async #confirm(deciding: Deciding, { step: first, taken }: Outcome): Promise<Verdict> {
    const { request, signed, conclude } = deciding;
    const question: OnlineQuestion = {
      credential: (first.credential as ReplicaCredential).id,
      environment: (first.environment as ReplicaEnvironment).id,
      permission: request.permission ?? null,
      clientIp: readableAddress(request.clientIp),
      record: first.online === 'record',
      ...(request.destination === undefined ? {} : { destination: request.destination }),
      ...(signed === null || first.online !== 'record' ? {} : { evidence: evidenceOf(signed) }),
    };
    const answer = readAnswer(await this.#feed.ask(question));
    // Others may have used meanwhile what it was handed.
    return await this.#handed(deciding, this.#again(deciding), (step, stands) => {
      if (stands !== 'VALID') return conclude({ step, code: stands, signed });
      // What was asked must still be what is needed: a setting or the credential may have changed meanwhile.
      const weaker = step.online === 'record' && !question.record;
      const code = answer === null || weaker ? 'STORE_UNAVAILABLE' : answer.code;
      return conclude(taken === undefined ? { step, code, signed } : { step, code, signed, taken });
    });
  }

  /** Decides anew after an await; a factor that was checked before has to be one still. */
  #again({ again, use }: Deciding): Step {
    const step = again();
    if (step.code !== 'VALID' || !step.secondFactor) return step;
    const stands = use !== undefined && this.#factors.stands(holderOf(step), use);
    return stands ? step : { ...step, code: 'SECOND_FACTOR_REQUIRED' };
  }

  #afterTaking(deciding: Deciding, shared: SharedAllowance, taken: Taken): Outcome {
    const { signed, requirement } = deciding;
    if (taken.code !== 'UNAVAILABLE') this.#learn(shared, taken);
    const step = this.#again(deciding);
    if (step.code !== 'VALID' || step.credential === null) return { step, code: step.code, signed };
    if (taken.code === 'UNAVAILABLE') return this.#withoutStore(deciding, shared, step);
    const code = CODE_OF_TAKEN[taken.code];
    const signing = step.environment?.signing ?? null;
    const accepted = code === 'VALID' && signed !== null && signing !== null;
    const stands = accepted
      ? this.#guard.rememberBeside(signed.claim, signing, onlyReads(requirement, signed.received), step)
      : code;
    return { step, code: stands, signed, taken: shared.with(taken) };
  }

  /** What the store has counted is what is reported, and what counts where the store forgets or can't be asked. */
  #learn({ request: { quota } }: SharedAllowance, taken: Answered): void {
    if (quota === null || taken.quota === null) return;
    learnQuotaUse(this.#feed.replica, quota.id, quota.periodStart, taken.quota.used);
  }

  /** As each limit says, and for what was signed as its environment says. */
  #withoutStore({ signed, requirement, use, nonceSpent }: Deciding, { closed }: SharedAllowance, step: Step): Outcome {
    // A code that may have been used with another verifier is none.
    if (closed || use !== undefined) return { step, code: 'STORE_UNAVAILABLE', signed };
    if (signed === null || nonceSpent === true) return { step, code: 'VALID', signed };
    const signing = settingsWithoutStore(signed, requirement, step);
    const code = signing === null ? 'STORE_UNAVAILABLE' : this.#guard.rememberMeanwhile(signed.claim, signing, step);
    return { step, code, signed };
  }

  /** Nonce and second factor. A limit refuses without spending what is not spent yet. */
  #rememberHere({ signed, use, nonceSpent }: Deciding, step: Step): VerdictCode {
    if (step.allowance?.code !== 'VALID') return 'VALID';
    if (use !== undefined && this.#guard.isUsed(use)) return 'SECOND_FACTOR_REQUIRED';
    const code = signed === null || nonceSpent === true ? 'VALID' : this.#rememberNonce(signed, step);
    if (code !== 'VALID' || use === undefined) return code;
    return this.#guard.use(use, step.environment?.signing ?? null, step);
  }

  #rememberNonce({ claim }: SignedRequest, step: Step): VerdictCode {
    const signing = step.environment?.signing ?? null;
    // Removed since it was read: a dialect that is not allowed any more accepts nothing.
    if (signing === null) return 'STORE_UNAVAILABLE';
    return this.#guard.remember(claim, signing, step);
  }
}

/** The settings by which a signed request goes without the store while that can't be asked; null where it does not. */
function settingsWithoutStore(
  { received }: SignedRequest,
  requirement: Requirement | null,
  { environment }: Step,
): SigningRecord | null {
  const signing = environment?.signing ?? null;
  return signing?.replayReads === 'allow' && onlyReads(requirement, received) ? signing : null;
}

/** Units of a quota that have to be handed to this verifier first; null where none are. */
function missingOf({ code, allowance }: Step): Allowance['missing'] {
  return code === 'VALID' ? (allowance?.missing ?? null) : null;
}

/** Whose factors are asked for; a step that takes one has found both. */
function holderOf({ environment, credential }: Step): Holder {
  return { environment: environment as ReplicaEnvironment, credential: credential as ReplicaCredential };
}

const CODE_OF_TAKEN = {
  VALID: 'VALID',
  FACTOR_SPENT: 'SECOND_FACTOR_REQUIRED',
  REPLAYED: 'REPLAYED',
  TOO_OLD: 'TIMESTAMP_OUT_OF_WINDOW',
  UNKNOWN_NONCE: 'STORE_UNAVAILABLE',
  RATE_LIMITED: 'RATE_LIMITED',
  QUOTA_EXCEEDED: 'QUOTA_EXCEEDED',
} as const satisfies Record<string, VerdictCode>;

function readAnswer(answer: unknown): OnlineAnswer | null {
  const code: unknown = typeof answer === 'object' && answer !== null && 'code' in answer ? answer.code : null;
  const known = VERDICT_CODES.find((one) => one === code);
  return known === undefined ? null : { code: known };
}
