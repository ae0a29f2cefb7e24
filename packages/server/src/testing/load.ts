import { setTimeout as pause } from 'node:timers/promises';
import { type LoadKey, LoadModel } from './load-model.ts';
import type { ProcessInstallation } from './process-installation.ts';
import { seededRandom } from './seeded-random.ts';

export interface LoadOptions {
  readonly installation: ProcessInstallation;
  readonly consumer: string;
  readonly seed: number;
  readonly changers: number;
  /** Clients that verify all the time; 0 when there is no verifier. */
  readonly verifiers: number;
}

/** Keys that one client works on at a time. */
const KEYS_IN_HAND = 4;
/** A client whose call failed tries again after this. */
const PAUSE_MS = 20;

/** Clients that issue, suspend, rotate, revoke and verify, and that remember what was acknowledged. */
export class Load implements AsyncDisposable {
  readonly model = new LoadModel();
  readonly #options: LoadOptions;
  readonly #random: () => number;
  #sent = 0;
  #stopping = false;
  #running: Promise<unknown> = Promise.resolve();
  #waiting: { readonly at: number; readonly resolve: () => void }[] = [];

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
  }

  start(): void {
    this.#stopping = false;
    const { changers, verifiers } = this.#options;
    this.#running = Promise.all([
      ...Array.from({ length: changers }, () => this.#change()),
      ...Array.from({ length: verifiers }, () => this.#verify()),
    ]);
  }

  /** Resolves when every client has its answer and goes home. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Resolves when that many more changes were asked for. */
  untilSent(count: number): Promise<void> {
    return new Promise((resolve) => this.#waiting.push({ at: this.#sent + count, resolve }));
  }

  async #change(): Promise<void> {
    const inHand: LoadKey[] = [];
    while (!this.#stopping) {
      const key = inHand[Math.floor(this.#random() * KEYS_IN_HAND)];
      if (key === undefined) {
        const issued = await this.#issue();
        if (issued !== null) inHand.push(issued);
        continue;
      }
      await this.#changeKey(key);
      if (key.state === 'revoked') inHand.splice(inHand.indexOf(key), 1);
    }
  }

  async #issue(): Promise<LoadKey | null> {
    const { consumer } = this.#options;
    const answer = await this.#call('/v1/keys', 201, {
      project: 'market',
      environment: 'test',
      consumer,
      name: 'key',
      permissions: ['prices:read'],
    });
    return answer === null ? null : this.model.issued(answer.key.id, answer.secret);
  }

  /** A key whose last change was not answered may be in either state: it is revoked, as a careful operator would. */
  async #changeKey(key: LoadKey): Promise<void> {
    const chance = this.#random();
    if (key.unanswered.length > 0 || chance < 0.3) return this.#revoke(key);
    if (key.state === 'suspended') return this.#resume(key);
    if (chance < 0.6) return this.#suspend(key);
    return this.#rotate(key, chance < 0.8 ? 0 : 3600);
  }

  async #revoke(key: LoadKey): Promise<void> {
    const repeated = key.unanswered.includes('revoked');
    key.unanswered.push('revoked');
    if ((await this.#call(`/v1/keys/${key.id}/revoke`, 200, { reason: 'superseded' })) === null) return;
    this.model.revoked(key, repeated);
    await this.#verifyAll(key);
  }

  async #suspend(key: LoadKey): Promise<void> {
    key.unanswered.push('suspended');
    if ((await this.#call(`/v1/keys/${key.id}/suspend`, 200)) === null) return;
    this.model.suspended(key);
    await this.#verifyAll(key);
  }

  async #resume(key: LoadKey): Promise<void> {
    // From the moment on that it is asked for, the key may be valid again.
    this.model.resuming(key);
    if ((await this.#call(`/v1/keys/${key.id}/resume`, 200)) === null) return;
    this.model.resumed(key);
  }

  async #rotate(key: LoadKey, overlapSeconds: number): Promise<void> {
    key.unanswered.push('active');
    const answer = await this.#call(`/v1/keys/${key.id}/rotate`, 201, { overlapSeconds });
    if (answer === null) return;
    this.model.rotated(key, answer.secret, overlapSeconds > 0);
    await this.#verifyAll(key);
  }

  /** The moment after an acknowledgement is the one at which a late verifier would be caught. */
  async #verifyAll(key: LoadKey): Promise<void> {
    if (this.#options.verifiers > 0) await Promise.all(key.secrets.map(({ secret }) => this.#verifyOne(secret)));
  }

  async #verify(): Promise<void> {
    while (!this.#stopping) {
      const { secrets } = this.model;
      const secret = secrets[Math.floor(this.#random() * secrets.length)];
      if (secret === undefined || !(await this.#verifyOne(secret))) await pause(PAUSE_MS);
    }
  }

  async #verifyOne(secret: string): Promise<boolean> {
    const takenAway = this.model.isTakenAway(secret);
    const answer = await this.#options.installation
      .ask({ key: secret, environment: 'market/test', permission: 'prices:read' })
      .catch(() => null);
    return this.model.verified(secret, takenAway, answer);
  }

  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  async #call(path: string, expected: number, body?: unknown): Promise<any> {
    this.#sent++;
    const reached = this.#waiting.filter(({ at }) => at <= this.#sent);
    this.#waiting = this.#waiting.filter(({ at }) => at > this.#sent);
    for (const { resolve } of reached) resolve();
    const answer = await this.#options.installation.call('POST', path, body).catch(() => null);
    const result = this.model.answered(path, expected, answer);
    if (result === null) await pause(PAUSE_MS);
    return result;
  }
}
