import { hash } from 'node:crypto';
import { credentialPrefixLength } from '@keyhold/protocol/credential-format';
import type { ReceivedRequest } from '@keyhold/protocol/dialects/dialect';
import type { DialectName } from '@keyhold/protocol/dialects/settings';
import type { Position, SignatureKeyRecord } from '@keyhold/protocol/feed';
import type { Verdict, VerdictCode, VerificationRequest } from '@keyhold/protocol/verdict';
import type { Clock } from './clock.ts';
import { ClockSkew } from './clock-skew.ts';
import { Decider, type Step } from './decider.ts';
import { digestOf } from './digest.ts';
import { DistributionKeys } from './distribution-keys.ts';
import type { FeedClient } from './feed-client.ts';
import { type Deciding, LastStep, type Outcome, type SignedRequest } from './last-step.ts';
import { presentedPasskey } from './passkeys.ts';
import { type Requirement, Requirements } from './permissions.ts';
import { QuotaSlices } from './quota-slices.ts';
import { isPeriodOf, learnQuotaUse, quotaUseOf } from './quota-use.ts';
import { readRequest } from './read-request.ts';
import type { ReplicaEnvironment, ReplicaToken } from './replica.ts';
import { ReplayGuard } from './replay-guard.ts';
import { SecondFactors } from './second-factors.ts';
import type { SharedStore } from './shared-store.ts';
import type { LimitDescription } from './shared-allowance.ts';
import { SignatureKeys } from './signature-keys.ts';
import { Usage } from './usage.ts';
import { accepted, refused } from './verdicts.ts';

const REPORT_INTERVAL_MS = 1_000;
/** Reports between two looks at which opened secrets are still somebody's. */
const REPORTS_PER_LOOK = 60;

/** Decides requests from a replica. The same code runs in the user's process and in the verifier process. */
export class Verifier {
  readonly #clock: Clock;
  readonly #feed: FeedClient;
  readonly #decider: Decider;
  readonly #distributionKeys: DistributionKeys;
  readonly #signatureKeys: SignatureKeys;
  readonly #guard: ReplayGuard;
  readonly #lastStep: LastStep;
  readonly #factors: SecondFactors;
  readonly #store: SharedStore | null;
  readonly #slices: QuotaSlices | null;
  readonly #requirements = new Requirements();
  readonly #usage = new Usage();
  readonly #skew = new ClockSkew();
  #accepted = 0;
  readonly #refused = new Map<VerdictCode, number>();
  #reports = 0;
  #cancelReport: () => void = () => {};

  /** @param store what several verifiers remember together; null: each by itself */
  constructor(clock: Clock, feed: FeedClient, store: SharedStore | null = null) {
    this.#clock = clock;
    this.#feed = feed;
    this.#store = store;
    // A store counts quotas itself.
    this.#slices =
      store === null
        ? new QuotaSlices(feed, clock.monotonic.bind(clock), (key, start, used) =>
            learnQuotaUse(feed.replica, key, start, used),
          )
        : null;
    this.#decider = new Decider(clock, feed, this.#slices);
    this.#distributionKeys = new DistributionKeys(feed);
    const broken = (id: string) => this.#usage.foundBroken(id);
    this.#signatureKeys = new SignatureKeys(this.#distributionKeys, broken);
    const now = () => ({ wallMs: clock.wall(), monotonicMs: clock.monotonic() });
    this.#guard = new ReplayGuard(now());
    feed.onSigning((signing) => this.#guard.reads(signing, now()));
    this.#factors = new SecondFactors(clock, feed, this.#distributionKeys, broken);
    this.#lastStep = new LastStep({ feed, store, slices: this.#slices, guard: this.#guard, factors: this.#factors });
  }

  start(): void {
    this.#feed.start();
    this.#reportLater();
  }

  /** Reports what was counted, gives up its leases and closes; resolves when the control plane has heard of it. */
  async stop(): Promise<void> {
    this.#cancelReport();
    this.#report();
    this.#slices?.giveBackAll();
    const parted = this.#feed.stop();
    this.#store?.close();
    await parted;
  }

  /** Where the replica stands; null before the first snapshot. */
  get position(): Position | null {
    return this.#feed.position;
  }

  /** Why this verifier refuses everything, or null. */
  get fenced(): string | null {
    return this.#feed.fenced;
  }

  get connected(): boolean {
    return this.#feed.connected;
  }

  /** Credentials held. */
  get size(): number {
    return this.#feed.replica.size;
  }

  /** Verdicts by code since the start. */
  get verdicts(): ReadonlyMap<VerdictCode, number> {
    return new Map<VerdictCode, number>([['VALID', this.#accepted], ...this.#refused]);
  }

  /** Signed requests since the start, by how far the signer's clock was off. */
  get clockSkew(): ClockSkew['counts'] {
    return this.#skew.counts;
  }

  /** Nonces remembered, and the bytes that they take. */
  get remembered(): { readonly nonces: number; readonly bytes: number } {
    const { size, bytes } = this.#guard.memory;
    return { nonces: size, bytes };
  }

  /** True when it decides for every environment that it knows: by a lease, or stale where the environment says so. */
  get ready(): boolean {
    if (!this.#decider.usable) return false;
    for (const environment of this.#feed.replica.environments()) if (!this.#decider.serves(environment)) return false;
    return true;
  }

  environment(qualifiedName: string): ReplicaEnvironment | undefined {
    return this.#feed.replica.environment(qualifiedName);
  }

  /** By the id of its project and its bare name. */
  environmentOf(projectId: string, name: string): ReplicaEnvironment | undefined {
    for (const environment of this.#feed.replica.environments()) {
      if (environment.projectId === projectId && environment.name === name) return environment;
    }
    return undefined;
  }

  environmentById(id: string): ReplicaEnvironment | undefined {
    for (const environment of this.#feed.replica.environments()) if (environment.id === id) return environment;
    return undefined;
  }

  /**
   * One of Keyhold's own tokens by its secret, when it is alive; null otherwise. INVARIANT: it says so only while it
   * decides for an environment that the token's revocation waits for; cut off for longer, it can't know.
   */
  authenticate(secret: string): ReplicaToken | 'VERIFIER_FENCED' | null {
    if (!this.#decidesFor(null)) return 'VERIFIER_FENCED';
    if (credentialPrefixLength(secret) < 0) return null;
    const token = this.#feed.replica.token(digestOf(secret));
    if (token === undefined || token.state !== 'active') return null;
    if (token.expiresAt !== null && this.#clock.wall() >= token.expiresAt) return null;
    if (token.environment !== null && !this.#decidesFor(token.environment)) return 'VERIFIER_FENCED';
    this.#usage.tokenUsed(token.id);
    return token;
  }

  /** @param id null: any environment */
  #decidesFor(id: string | null): boolean {
    if (!this.#decider.usable) return false;
    for (const environment of this.#feed.replica.environments()) {
      if ((id === null || environment.id === id) && this.#decider.serves(environment)) return true;
    }
    return false;
  }

  /** Decides one request. Never rejects: whatever goes wrong is a code of the verdict. */
  verify(request: VerificationRequest): Promise<Verdict> {
    if (!isReadable(request)) return Promise.resolve(this.#unreadable(request, undefined));
    const requirement = request.permission === undefined ? null : this.#requirements.get(request.permission);
    if (request.request !== undefined) return this.#verifyRequest(request, request.request, requirement);
    return this.#verifyKey(request, requirement, null);
  }

  /** @param received the request that the key came in, where the caller has it */
  #verifyKey(
    request: VerificationRequest,
    requirement: Requirement | null,
    received: ReceivedRequest | null,
  ): Promise<Verdict> {
    const step = this.#decider.step(request, requirement, null);
    // Most end here: decided from memory, at once.
    if (step.code !== 'VALID' || !this.#lastStep.awaits(step)) {
      return Promise.resolve(this.#count(this.#word(request.clientIp, step, step.code, null)));
    }
    const mayShow = received !== null && step.secondFactor;
    const passkey = mayShow ? presentedPasskey(received, hash('sha256', request.key as string, 'hex')) : null;
    return Promise.resolve(this.#finish({ request, requirement, signed: null, first: step, passkey }));
  }

  /** Decides a whole request by how it is signed; a bearer's like its key alone. */
  async #verifyRequest(
    request: VerificationRequest,
    received: ReceivedRequest,
    requirement: Requirement | null,
  ): Promise<Verdict> {
    const { replica } = this.#feed;
    const presented = readRequest(received, replica.environment(request.environment)?.signing ?? null);
    if (presented.kind === 'bearer') {
      const { key, otp } = presented;
      const secondFactor = request.secondFactor ?? (otp === undefined ? undefined : { otp });
      return await this.#verifyKey({ ...request, request: undefined, key, secondFactor }, requirement, received);
    }
    if (presented.kind === 'malformed') return this.#unreadable(request, presented);
    const { claim, dialect } = presented;
    const signed = { claim, dialect, received };
    let step = this.#decider.step(request, requirement, claim);
    if (step.credential === null || step.environment === null) {
      return this.#conclude(request, { step, code: step.code, signed });
    }
    const record = replica.signatureKey(claim.credential) as SignatureKeyRecord;
    let proof = this.#signatureKeys.prove(record, step.environment, claim, received);
    if (typeof proof === 'object' && proof !== null) {
      proof = await proof;
      step = this.#decider.step(request, requirement, claim);
    }
    if (step.credential === null) return this.#conclude(request, { step, code: step.code, signed });
    if (proof !== true) {
      const code = proof === false ? 'SIGNATURE_INVALID' : 'STORE_UNAVAILABLE';
      return this.#conclude(request, { step, code, signed, unproven: true });
    }
    if (step.code !== 'VALID') return this.#conclude(request, { step, code: step.code, signed });
    const passkey = step.secondFactor ? presentedPasskey(received, claim.credential) : null;
    const verdict = this.#finish({ request, requirement, signed, first: step, passkey });
    // What is there already need not be waited for.
    return verdict instanceof Promise ? await verdict : verdict;
  }

  /** Whatever has to be asked or remembered beside the replica. */
  #finish(deciding: Omit<Deciding, 'again' | 'conclude'>): Verdict | Promise<Verdict> {
    const { request, requirement, signed } = deciding;
    const again = () => this.#decider.step(request, requirement, signed?.claim ?? null);
    const conclude = (outcome: Outcome) => this.#conclude(request, outcome);
    return this.#lastStep.take({ ...deciding, again, conclude });
  }

  /** @param presented what it was taken for; undefined: the call itself is not one */
  #unreadable(
    request: VerificationRequest | undefined,
    presented: { readonly dialect?: DialectName; readonly reason: string } | undefined,
  ): Verdict {
    const environment = this.#feed.replica.environment(request?.environment ?? '');
    const fenced = !this.#decider.usable || (environment !== undefined && !this.#decider.serves(environment));
    const code = fenced ? 'VERIFIER_FENCED' : 'MALFORMED';
    this.#usage.denied('', code);
    this.#countRefusal(code);
    return code === 'MALFORMED' ? { valid: false, code, ...presented } : { valid: false, code };
  }

  #conclude({ clientIp }: VerificationRequest, outcome: Outcome): Verdict {
    const { step, code, taken = null, signed, unproven } = outcome;
    const verdict = this.#count(
      unproven === true ? this.#refuseUnproven(clientIp, step, code) : this.#word(clientIp, step, code, taken),
    );
    if (signed == null) return verdict;
    const { freshness } = signed.claim;
    if (freshness !== null) this.#skew.note(step.wallMs - freshness.signedAt);
    return { ...verdict, ...describeSigning(signed, step.wallMs) };
  }

  #count(verdict: Verdict): Verdict {
    if (verdict.valid) this.#accepted++;
    else this.#countRefusal(verdict.code);
    return verdict;
  }

  #countRefusal(code: VerdictCode): void {
    this.#refused.set(code, (this.#refused.get(code) ?? 0) + 1);
  }

  /**
   * Takes from limits and quota, counts, and words the verdict.
   * @param taken what was taken of a store already; null: it is taken here
   */
  #word(clientIp: string | undefined, step: Step, code: VerdictCode, taken: LimitDescription | null): Verdict {
    const { credential, allowance, stale, wallMs } = step;
    if (credential === null || allowance === null) return this.#refuseUnproven(clientIp, step, code);
    const final = code === 'VALID' && taken === null ? allowance.code : code;
    if (final !== 'VALID') {
      this.#usage.denied(credential.key.environment.id, final, credential.id, clientIp);
      const limited = final === 'RATE_LIMITED' || final === 'QUOTA_EXCEEDED';
      const verdict = refused(final, credential, stale);
      return limited ? { ...verdict, ...(taken ?? allowance).describe() } : verdict;
    }
    if (taken === null) allowance.take();
    this.#usage.used(credential, wallMs, clientIp);
    return accepted(credential, taken ?? allowance, stale);
  }

  /** Without ids: nobody showed that he holds the secret. */
  #refuseUnproven(clientIp: string | undefined, { environment, credential, stale }: Step, code: VerdictCode): Verdict {
    this.#usage.denied(environment?.id ?? '', code, credential?.id, clientIp);
    return refused(code, null, stale);
  }

  #reportLater(): void {
    this.#cancelReport = this.#clock.after(REPORT_INTERVAL_MS, () => {
      this.#report();
      void this.#distributionKeys.obtainAll();
      this.#slices?.giveBackIdle((key, start) => isPeriodOf(this.#feed.replica, key, start, this.#clock.wall()));
      if (++this.#reports % REPORTS_PER_LOOK === 0) this.#forgetSecrets();
      this.#reportLater();
    });
  }

  /** Secrets that were opened and are nobody's any more: destroyed, removed, or of another replica. */
  #forgetSecrets(): void {
    const { replica } = this.#feed;
    this.#signatureKeys.forgetAllBut((credential) => replica.signatureKey(credential) !== undefined);
    this.#factors.forgetAllBut((factor) => replica.hasFactor(factor));
  }

  /** Keeps counting while there is no control plane to report to. */
  #report(): void {
    if (!this.#feed.connected) return;
    const reports = this.#usage.take((id) => {
      const quota = quotaUseOf(this.#feed.replica, id);
      if (quota === null || this.#slices === null) return quota;
      return { ...quota, own: this.#slices.usedOf(id, quota.periodStart) };
    });
    for (const report of reports) this.#feed.report(report);
  }
}

const MAX_COST = 1_000_000_000;

/** False for what types would have refused: a caller without them still gets a verdict. */
function isReadable(request: VerificationRequest): boolean {
  const { key, request: received, environment, permission, clientIp, destination, cost, secondFactor } = request ?? {};
  return (
    (received === undefined ? typeof key === 'string' : key === undefined && isReceived(received)) &&
    typeof environment === 'string' &&
    (permission === undefined || typeof permission === 'string') &&
    (clientIp === undefined || typeof clientIp === 'string') &&
    (destination === undefined || typeof destination === 'string') &&
    (secondFactor === undefined || typeof secondFactor?.otp === 'string') &&
    (cost === undefined || (Number.isSafeInteger(cost) && cost >= 0 && cost <= MAX_COST))
  );
}

function isReceived({ method, target, scheme, headers, body }: ReceivedRequest): boolean {
  return (
    typeof method === 'string' &&
    typeof target === 'string' &&
    (scheme === 'https' || scheme === 'http') &&
    Array.isArray(headers) &&
    headers.every((line) => typeof line?.[0] === 'string' && typeof line[1] === 'string') &&
    (body === null || body instanceof Uint8Array)
  );
}

function describeSigning({ dialect, claim, received }: SignedRequest, wallMs: number) {
  const { freshness, digests } = claim;
  const skew = freshness === null ? {} : { clockSkewMs: Math.round(wallMs - freshness.signedAt) };
  if (received.body !== null) return { dialect, ...skew };
  const bodyDigests = digests.map(({ algorithm, value }) => ({
    algorithm,
    value: Buffer.from(value).toString('base64'),
  }));
  return { dialect, ...skew, bodyDigests };
}
