import { hash } from 'node:crypto';
import { credentialPrefixLength } from '@keyhold/protocol/credential-format';
import type { Position } from '@keyhold/protocol/feed';
import { VERDICT_CODES, type Verdict, type VerdictCode, type VerificationRequest } from '@keyhold/protocol/verdict';
import type { OnlineAnswer, OnlineQuestion } from '@keyhold/protocol/verification-messages';
import type { Clock } from './clock.ts';
import { decide } from './decide.ts';
import type { FeedClient } from './feed-client.ts';
import { SLOTS_PER_LIMIT } from './limits.ts';
import { type Requirement, Requirements } from './permissions.ts';
import { DIGEST_ENCODING, type ReplicaCredential, type ReplicaEnvironment, type ReplicaToken } from './replica.ts';
import { Allowance } from './allowance.ts';
import { Usage } from './usage.ts';
import { accepted, refused } from './verdicts.ts';

const REPORT_INTERVAL_MS = 1_000;

/** What one synchronous step made of a request: found, decided, and whether the control plane has to be asked. */
interface Step {
  readonly code: VerdictCode;
  readonly environment: ReplicaEnvironment | null;
  readonly credential: ReplicaCredential | null;
  readonly stale: boolean;
  readonly wallMs: number;
  readonly monotonicMs: number;
  readonly online: 'no' | 'confirm' | 'record';
}

/** Decides requests from a replica. The same code runs in the user's process and in the verifier process. */
export class Verifier {
  readonly #clock: Clock;
  readonly #feed: FeedClient;
  readonly #requirements = new Requirements();
  readonly #usage = new Usage();
  readonly #verdicts = new Map<VerdictCode, number>();
  #cancelReport: () => void = () => {};

  constructor(clock: Clock, feed: FeedClient) {
    this.#clock = clock;
    this.#feed = feed;
  }

  start(): void {
    this.#feed.start();
    this.#reportLater();
  }

  /** Reports what was counted, gives up its leases and closes. */
  stop(): void {
    this.#cancelReport();
    this.#report();
    this.#feed.stop();
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

  get #usable(): boolean {
    return this.#feed.position !== null && this.#feed.fenced === null && !this.#feed.stopped;
  }

  /** Credentials held. */
  get size(): number {
    return this.#feed.replica.size;
  }

  /** Verdicts by code since the start. */
  get verdicts(): ReadonlyMap<VerdictCode, number> {
    return this.#verdicts;
  }

  /** True when it holds a lease for every environment that it knows. */
  get ready(): boolean {
    if (!this.#usable) return false;
    const [monotonic, wall] = [this.#clock.monotonic(), this.#clock.wall()];
    for (const { id, afterLease } of this.#feed.replica.environments()) {
      if (afterLease === 'refuse' && !this.#feed.leases.covers(id, monotonic, wall)) return false;
    }
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

  /** One of Keyhold's own tokens by its secret, when it is alive; null otherwise. */
  authenticate(secret: string): ReplicaToken | null {
    if (credentialPrefixLength(secret) < 0) return null;
    const token = this.#feed.replica.token(hash('sha256', secret, DIGEST_ENCODING));
    if (token === undefined || token.state !== 'active') return null;
    if (token.expiresAt !== null && this.#clock.wall() >= token.expiresAt) return null;
    this.#usage.tokenUsed(token.id);
    return token;
  }

  /** Decides one request. Never rejects: whatever goes wrong is a code of the verdict. */
  verify(request: VerificationRequest): Promise<Verdict> {
    if (!isReadable(request)) return Promise.resolve(this.#unreadable());
    const requirement = request.permission === undefined ? null : this.#requirements.get(request.permission);
    const step = this.#step(request, requirement);
    if (step.code !== 'VALID' || step.online === 'no') return Promise.resolve(this.#conclude(request, step));
    return this.#confirm(request, requirement, step);
  }

  /**
   * Everything that a verdict depends on, read in one synchronous step: clocks, lease, credential.
   * INVARIANT: no await in here, and none between this and {@link #conclude}.
   */
  #step(request: VerificationRequest, requirement: Requirement | null): Step {
    const wallMs = this.#clock.wall();
    const monotonicMs = this.#clock.monotonic();
    const environment = this.#feed.replica.environment(request.environment) ?? null;
    const step = { environment, credential: null, stale: false, wallMs, monotonicMs, online: 'no' as const };
    if (!this.#usable) return { ...step, code: 'VERIFIER_FENCED' };
    if (environment === null) return { ...step, code: 'WRONG_ENVIRONMENT' };
    const stale = !this.#feed.leases.covers(environment.id, monotonicMs, wallMs);
    if (stale && environment.afterLease === 'refuse') return { ...step, code: 'VERIFIER_FENCED' };
    const found = this.#find(request.key, environment);
    if (typeof found === 'string') return { ...step, stale, code: found };
    const invalid = request.permission !== undefined && requirement === null;
    const code = decide(found, { requirement, clientIp: request.clientIp }, wallMs);
    return {
      code: code === 'VALID' && invalid ? 'INSUFFICIENT_PERMISSIONS' : code,
      environment,
      credential: found,
      stale,
      wallMs,
      monotonicMs,
      online: environment.settings.size === 0 ? 'no' : onlineNeed(environment, requirement),
    };
  }

  #find(key: string, environment: ReplicaEnvironment): ReplicaCredential | VerdictCode {
    const prefixLength = credentialPrefixLength(key);
    if (prefixLength < 0) return 'MALFORMED';
    if (prefixLength !== environment.prefix.length || !key.startsWith(environment.prefix)) return 'WRONG_ENVIRONMENT';
    const credential = this.#feed.replica.credential(hash('sha256', key, DIGEST_ENCODING));
    if (credential === undefined || credential.key.environment !== environment) return 'NOT_FOUND';
    return credential;
  }

  /** Asks the control plane, then decides again: the second decision is the verdict. */
  async #confirm(request: VerificationRequest, requirement: Requirement | null, first: Step): Promise<Verdict> {
    const limits = this.#allowance(first.credential as ReplicaCredential, request, first);
    if (limits.code !== 'VALID') return this.#conclude(request, first);
    const question: OnlineQuestion = {
      credential: (first.credential as ReplicaCredential).id,
      environment: (first.environment as ReplicaEnvironment).id,
      permission: request.permission ?? null,
      clientIp: request.clientIp ?? null,
      record: first.online === 'record',
    };
    const answer = readAnswer(await this.#feed.ask(question));
    const second = this.#step(request, requirement);
    if (second.code !== 'VALID') return this.#conclude(request, second);
    // What was asked must still be what is needed: a setting or the credential may have changed meanwhile.
    const weaker = second.online === 'record' && !question.record;
    if (answer === null || weaker) return this.#conclude(request, { ...second, code: 'STORE_UNAVAILABLE' });
    return this.#conclude(request, { ...second, code: answer.code });
  }

  #unreadable(): Verdict {
    const code = this.#usable ? 'MALFORMED' : 'VERIFIER_FENCED';
    this.#usage.denied('', code);
    this.#verdicts.set(code, (this.#verdicts.get(code) ?? 0) + 1);
    return { valid: false, code };
  }

  #conclude(request: VerificationRequest, step: Step): Verdict {
    const verdict = this.#word(request, step);
    this.#verdicts.set(verdict.code, (this.#verdicts.get(verdict.code) ?? 0) + 1);
    return verdict;
  }

  /** Takes from limits and quota, counts, and words the verdict. */
  #word(request: VerificationRequest, step: Step): Verdict {
    if (step.credential === null || step.code !== 'VALID') {
      this.#usage.denied(step.environment?.id ?? '', step.code);
      return refused(step.code, step.credential, step.stale);
    }
    const allowance = this.#allowance(step.credential, request, step);
    if (allowance.code !== 'VALID') {
      this.#usage.denied(step.credential.key.environment.id, allowance.code);
      return { ...refused(allowance.code, step.credential, step.stale), ...allowance.describe() };
    }
    allowance.take();
    this.#usage.used(step.credential, step.wallMs, request.clientIp);
    return accepted(step.credential, allowance, step.stale);
  }

  #allowance(credential: ReplicaCredential, request: VerificationRequest, step: Step): Allowance {
    return new Allowance(this.#feed.replica.slots, credential.key, request.cost ?? 1, step.monotonicMs, step.wallMs);
  }

  #reportLater(): void {
    this.#cancelReport = this.#clock.after(REPORT_INTERVAL_MS, () => {
      this.#report();
      this.#reportLater();
    });
  }

  /** Keeps counting while there is no control plane to report to. */
  #report(): void {
    if (!this.#feed.connected) return;
    const { slots } = this.#feed.replica;
    const reports = this.#usage.take(({ slot, rules }) => ({
      periodStart: slots.get(slot + rules.length * SLOTS_PER_LIMIT),
      used: slots.get(slot + rules.length * SLOTS_PER_LIMIT + 1),
    }));
    for (const report of reports) this.#feed.report(report);
  }
}

const MAX_COST = 1_000_000_000;

/** False for what types would have refused: a caller without them still gets a verdict. */
function isReadable(request: VerificationRequest): boolean {
  const { key, environment, permission, clientIp, cost } = request ?? {};
  return (
    typeof key === 'string' &&
    typeof environment === 'string' &&
    (permission === undefined || typeof permission === 'string') &&
    (clientIp === undefined || typeof clientIp === 'string') &&
    (cost === undefined || (Number.isSafeInteger(cost) && cost >= 0 && cost <= MAX_COST))
  );
}

function readAnswer(answer: unknown): OnlineAnswer | null {
  const code: unknown = typeof answer === 'object' && answer !== null && 'code' in answer ? answer.code : null;
  const known = VERDICT_CODES.find((one) => one === code);
  return known === undefined ? null : { code: known };
}

/** The strictest of all required permissions' settings applies. */
function onlineNeed(environment: ReplicaEnvironment, requirement: Requirement | null): 'no' | 'confirm' | 'record' {
  let need: 'no' | 'confirm' | 'record' = 'no';
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
