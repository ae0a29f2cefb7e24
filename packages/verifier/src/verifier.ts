import { credentialPrefixLength, hasPrefix, mayBeCredential } from '@keyhold/protocol/credential-format';
import type { Position } from '@keyhold/protocol/feed';
import { VERDICT_CODES, type Verdict, type VerdictCode, type VerificationRequest } from '@keyhold/protocol/verdict';
import type { OnlineAnswer, OnlineQuestion } from '@keyhold/protocol/verification-messages';
import { digestOf } from './digest.ts';
import type { Clock } from './clock.ts';
import { decide } from './decide.ts';
import type { FeedClient } from './feed-client.ts';
import { SLOTS_PER_LIMIT } from './limits.ts';
import { type Requirement, Requirements } from './permissions.ts';
import type { ReplicaCredential, ReplicaEnvironment, ReplicaToken } from './replica.ts';
import { Allowance } from './allowance.ts';
import { Usage } from './usage.ts';
import { accepted, refused } from './verdicts.ts';

const REPORT_INTERVAL_MS = 1_000;

/** What one synchronous step made of a request: found, decided, and whether the control plane has to be asked. */
interface Step {
  readonly code: VerdictCode;
  readonly environment: ReplicaEnvironment | null;
  readonly credential: ReplicaCredential | null;
  /** What the credential's key may still use; null where there is no credential. */
  readonly allowance: Allowance | null;
  readonly stale: boolean;
  readonly wallMs: number;
  readonly online: 'no' | 'confirm' | 'record';
}

/** Decides requests from a replica. The same code runs in the user's process and in the verifier process. */
export class Verifier {
  readonly #clock: Clock;
  readonly #feed: FeedClient;
  readonly #requirements = new Requirements();
  readonly #usage = new Usage();
  #accepted = 0;
  readonly #refused = new Map<VerdictCode, number>();
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

  #usable(): boolean {
    return this.#feed.position !== null && this.#feed.fenced === null && !this.#feed.stopped;
  }

  /** Credentials held. */
  get size(): number {
    return this.#feed.replica.size;
  }

  /** Verdicts by code since the start. */
  get verdicts(): ReadonlyMap<VerdictCode, number> {
    return new Map<VerdictCode, number>([['VALID', this.#accepted], ...this.#refused]);
  }

  /** True when it holds a lease for every environment that it knows. */
  get ready(): boolean {
    if (!this.#usable()) return false;
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
    const token = this.#feed.replica.token(digestOf(secret));
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
    const { replica, leases } = this.#feed;
    const environment = replica.environment(request.environment) ?? null;
    let stale = false;
    let credential: ReplicaCredential | null = null;
    let allowance: Allowance | null = null;
    let code: VerdictCode = 'VALID';
    if (!this.#usable()) code = 'VERIFIER_FENCED';
    else if (environment === null) code = 'WRONG_ENVIRONMENT';
    else {
      const leased = leases.covers(environment.id, monotonicMs, wallMs);
      stale = !leased && environment.afterLease === 'serve';
      const found = leased || stale ? this.#find(request.key, environment) : 'VERIFIER_FENCED';
      if (typeof found === 'string') code = found;
      else {
        credential = found;
        // Asked first and heeded last: its numbers come from memory while the rest is decided.
        allowance = new Allowance(replica.slots, found.key, request.cost ?? 1, monotonicMs, wallMs);
        code = decide(found, { requirement, clientIp: request.clientIp }, wallMs);
        if (code === 'VALID' && request.permission !== undefined && requirement === null)
          code = 'INSUFFICIENT_PERMISSIONS';
      }
    }
    const asks = code === 'VALID' && environment !== null && environment.settings.size > 0;
    const online = asks ? onlineNeed(environment, requirement) : 'no';
    return { code, environment, credential, allowance, stale, wallMs, online };
  }

  /**
   * Looks up before it parses: a digest that is known is of a text that was well formed when it was issued, so only
   * what isn't found has to be told apart.
   */
  #find(key: string, environment: ReplicaEnvironment): ReplicaCredential | VerdictCode {
    if (!mayBeCredential(key)) return 'MALFORMED';
    const credential = this.#feed.replica.credential(digestOf(key));
    const prefixed = hasPrefix(key, environment.prefix);
    if (prefixed && credential?.key.environment === environment) return credential;
    if (credentialPrefixLength(key) < 0) return 'MALFORMED';
    return prefixed ? 'NOT_FOUND' : 'WRONG_ENVIRONMENT';
  }

  /** Asks the control plane, then decides again: the second decision is the verdict. */
  async #confirm(request: VerificationRequest, requirement: Requirement | null, first: Step): Promise<Verdict> {
    if (first.allowance?.code !== 'VALID') return this.#conclude(request, first);
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
    const code = this.#usable() ? 'MALFORMED' : 'VERIFIER_FENCED';
    this.#usage.denied('', code);
    this.#countRefusal(code);
    return { valid: false, code };
  }

  #conclude(request: VerificationRequest, step: Step): Verdict {
    const verdict = this.#word(request, step);
    if (verdict.valid) this.#accepted++;
    else this.#countRefusal(verdict.code);
    return verdict;
  }

  #countRefusal(code: VerdictCode): void {
    this.#refused.set(code, (this.#refused.get(code) ?? 0) + 1);
  }

  /** Takes from limits and quota, counts, and words the verdict. */
  #word({ clientIp }: VerificationRequest, { code, environment, credential, allowance, stale, wallMs }: Step): Verdict {
    if (credential === null || allowance === null || code !== 'VALID') {
      this.#usage.denied(environment?.id ?? '', code, credential?.id, clientIp);
      return refused(code, credential, stale);
    }
    if (allowance.code !== 'VALID') {
      this.#usage.denied(credential.key.environment.id, allowance.code, credential.id, clientIp);
      return { ...refused(allowance.code, credential, stale), ...allowance.describe() };
    }
    allowance.take();
    this.#usage.used(credential, wallMs, clientIp);
    return accepted(credential, allowance, stale);
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
    const { replica } = this.#feed;
    const { slots } = replica;
    const reports = this.#usage.take((id) => {
      const key = replica.key(id);
      if (key === undefined || key.quota === null) return null;
      const slot = key.slot + key.rules.length * SLOTS_PER_LIMIT;
      return { periodStart: slots.get(slot), used: slots.get(slot + 1) };
    });
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
