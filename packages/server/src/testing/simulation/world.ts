import { hash } from 'node:crypto';
import { credentialHint, formatCredential, TOKEN_PREFIX } from '@keyhold/protocol/credential-format';
import { isRefusal } from '@keyhold/protocol/errors';
import { createConsumer } from '../../projects/create-consumer.ts';
import { createEnvironment } from '../../projects/create-environment.ts';
import { createProject } from '../../projects/create-project.ts';
import { setPermission } from '../../projects/set-permission.ts';
import { findEnvironment, findProject } from '../../projects/projects.store.ts';
import { verifyChain } from '../../ledger/verify-chain.ts';
import type { Bug } from './bugs.ts';
import { ControlMachine } from './control-machine.ts';
import { Dice } from './dice.ts';
import type { CommitFaults, MemoryDisk } from './memory-store.ts';
import { CALM, Network, type Weather } from './network.ts';
import { CALLER, Operator } from './operator.ts';
import { type Ability, Oracle } from './oracle.ts';
import { VerifierMachine } from './verifier-machine.ts';
import { MachineClock, VirtualTime } from './virtual-time.ts';

/** Changes of one schedule. */
export const CHANGES = 20;
const STORM_MS = 40_000;
const CALM_MS = 20_000;
const DRAIN_LIMIT = 10_000;

export interface Outcome {
  readonly oracle: Oracle;
  readonly changes: number;
  readonly verifications: number;
}

/** One seeded schedule: a control plane, its verifiers, an operator and clients, in weather that the dice choose. */
export class World {
  readonly time = new VirtualTime();
  readonly dice: Dice;
  readonly oracle = new Oracle();
  readonly #disk: MemoryDisk;
  readonly #bug: Bug;
  readonly #network: Network;
  readonly #operator: Operator;
  readonly #verifiers: VerifierMachine[] = [];
  /** Those that said goodbye; whoever has not noticed goes on asking them. */
  readonly #stopped: VerifierMachine[] = [];
  readonly #commitFaults: CommitFaults = { probability: 0 };
  readonly #environments = new Map<string, { id: string; afterLease: 'refuse' | 'serve' }>();
  #control: ControlMachine | null = null;
  #starting = false;
  #restarting = false;
  #feedToken = '';
  #consumer = '';
  #calmSince = 0;
  #verifications = 0;

  constructor(seed: number, disk: MemoryDisk, bug: Bug = {}) {
    this.dice = new Dice(seed);
    this.#disk = disk;
    this.#bug = bug;
    this.#network = new Network(this.time, this.dice);
    this.#operator = new Operator(this.dice, this.oracle);
  }

  async run(): Promise<Outcome> {
    this.#disk.clear();
    await this.#setUp();
    const stormy = this.dice.chance(0.9);
    if (stormy) this.#planFaults();
    this.#planChanges();
    this.#planVerifications(STORM_MS + CALM_MS);
    this.time.at(STORM_MS, () => this.#calmDown());
    await this.#runUntil(STORM_MS + CALM_MS);
    await this.#control?.store.writer.idle();
    await this.#checkLedger();
    const { changes } = this.#operator;
    if (changes !== CHANGES) throw new Error(`${changes} changes were made, of ${CHANGES}`);
    return { oracle: this.oracle, changes, verifications: this.#verifications };
  }

  async #setUp(): Promise<void> {
    const { dice } = this;
    this.#feedToken = dice.newId('token');
    await this.#startControl();
    const context = (this.#control as ControlMachine).context;
    const project = must(await this.#during(createProject(context, CALLER, { slug: 'market', name: 'Market' })));
    const row = await findProject((this.#control as ControlMachine).store.reader, project.value.slug);
    if (row === undefined) throw new Error('no project');
    for (const name of ['alpha', 'beta']) {
      const afterLease = dice.chance(0.15) ? 'serve' : 'refuse';
      const input = { name, prefix: name, leaseSeconds: dice.whole(3, 15), afterLease } as const;
      const created = must(await this.#during(createEnvironment(context, CALLER, row, input)));
      this.#environments.set(name, { id: created.value.id, afterLease });
    }
    const consumer = must(await this.#during(createConsumer(context, CALLER, row, { name: 'bot' })));
    this.#consumer = consumer.value.id;
    await this.#insertFeedToken(context);
    if (dice.chance(0.4)) {
      const alpha = await findEnvironment((this.#control as ControlMachine).store.reader, row.id, 'alpha');
      const setting = { permission: 'orders:write', confirm: 'online' } as const;
      if (alpha !== undefined) must(await this.#during(setPermission(context, CALLER, alpha, setting, true)));
    }
    for (let i = dice.whole(3, 4); i > 0; i--) this.#addVerifier();
  }

  async #insertFeedToken({ ledger, random, clock }: ControlMachine['context']): Promise<void> {
    const secret = formatCredential(TOKEN_PREFIX, random.bytes(32));
    const row = {
      id: this.#feedToken,
      name: 'feed',
      scopes: '["feed"]',
      projects: null,
      environment_id: null,
      digest: hash('sha256', secret, 'hex'),
      hint: credentialHint(secret),
      state: 'active',
      expires_at: null,
      created_at: clock.wall(),
    } as const;
    const draft = { actor: 'system', action: 'token.created', subject: row.id };
    await this.#during(ledger.record(draft, (facts) => facts.insert('tokens', row)));
  }

  async #startControl(): Promise<void> {
    this.#starting = true;
    this.#restarting = false;
    const clock = new MachineClock(this.time, this.dice.between(0.9951, 1.0049), this.dice.between(-2_000, 2_000));
    const store = this.#disk.open(this.dice, this.#commitFaults);
    // A start that meets a failing disk is tried again, as a supervisor would.
    for (let control: ControlMachine | null = null; control === null; ) {
      control = await ControlMachine.start(store, clock, this.dice, this.#feedToken, this.#bug.control?.() ?? {}).catch(
        () => null,
      );
      this.#control = control;
    }
    this.#starting = false;
  }

  #addVerifier(): void {
    this.#verifiers.push(
      new VerifierMachine(this.time, this.dice, this.#network, () => this.#control, this.#bug.verifier?.(this) ?? {}),
    );
  }

  #planFaults(): void {
    const { dice, time } = this;
    const weather: Weather = {
      loss: dice.chance(0.6) ? dice.between(0, 0.1) : 0,
      duplication: dice.chance(0.4) ? dice.between(0, 0.2) : 0,
      reordering: dice.chance(0.3),
      maxDelayMs: dice.pick([5, 50, 500, 3_000]),
    };
    time.at(dice.between(1_000, 5_000), () => {
      this.#network.weather = weather;
      this.#commitFaults.probability = dice.chance(0.3) ? 0.05 : 0;
    });
    for (let i = dice.whole(2, 6); i > 0; i--) time.at(dice.between(2_000, STORM_MS - 5_000), () => this.#fault());
  }

  #fault(): void {
    const { dice, time } = this;
    const machine = dice.pick(this.#verifiers);
    const kind = dice.whole(0, 5);
    if (kind === 0) {
      this.#network.partition(machine.id, true);
      time.after(dice.between(500, 20_000), () => this.#network.partition(machine.id, false));
    } else if (kind === 1) machine.clock.pausedUntil = time.now + dice.between(100, 15_000);
    else if (kind === 2) machine.clock.stepWall(dice.between(-30_000, 30_000));
    else if (kind === 3) {
      machine.kill();
      this.#replace(machine);
    } else if (kind === 4) {
      machine.stop();
      this.#stopped.push(machine);
      this.#replace(machine);
    } else this.#restartControl();
  }

  /** What is gone is started anew, as somebody else. */
  #replace(machine: VerifierMachine): void {
    this.#verifiers.splice(this.#verifiers.indexOf(machine), 1);
    this.#addVerifier();
  }

  #restartControl(): void {
    const control = this.#control;
    if (control === null || this.#starting) return;
    this.#control = null;
    this.#restarting = true;
    void control.crash().then(() => {
      this.#bug.restarted?.(this.#disk);
      this.time.after(this.dice.between(10, 3_000), () => void this.#startControl());
    });
  }

  #calmDown(): void {
    this.#network.weather = CALM;
    this.#commitFaults.probability = 0;
    for (const { id } of this.#verifiers) this.#network.partition(id, false);
    if (this.#control === null && !this.#starting && !this.#restarting) void this.#startControl();
    this.#calmSince = this.time.now;
  }

  #planChanges(): void {
    for (let i = 0; i < CHANGES; i++) {
      // Some come at once, so that they share a commit or cross each other.
      const at = this.dice.chance(0.2) ? 10_000 : this.dice.between(0, STORM_MS);
      this.time.at(at, () => this.#change());
    }
  }

  /** Who finds no control plane comes back. */
  #change(): void {
    if (this.#control !== null) void this.#operator.change(this.#control, this.#consumer);
    else this.time.after(4_000, () => this.#change());
  }

  #planVerifications(until: number): void {
    for (let at = this.dice.between(0, 500); at < until; at += this.dice.between(20, 800)) {
      this.time.at(at, () => this.#verify());
    }
  }

  #verify(): void {
    const { keys } = this.#operator;
    if (keys.length === 0) return;
    const key = this.dice.pick(keys);
    const asksStopped = this.#stopped.length > 0 && this.dice.chance(0.1);
    const machine = this.dice.pick(asksStopped ? this.#stopped : this.#verifiers);
    // Also what it had before: rotated credentials are not forgotten by those who stole them.
    machine.clock.react(() => void this.#verifyOn(machine, key.secret, key.environment));
  }

  async #verifyOn(machine: VerifierMachine, secret: string, environment: string): Promise<void> {
    const ability: Ability = this.dice.pick(['prices:read', 'orders:write']);
    const started = this.oracle.get(secret, ability);
    const revivals = this.oracle.revivals(secret, ability);
    const startedAt = this.time.now;
    this.#verifications++;
    const verdict = await machine.verifier.verify({
      key: secret,
      environment: `market/${environment}`,
      permission: ability,
    });
    if (machine.clock.dead) return;
    const context = `${ability} in ${environment} on ${machine.id}, started ${startedAt}`;
    // What was given again while the control plane was asked may be accepted.
    const known = this.oracle.revivals(secret, ability) === revivals ? started : 'unknown';
    this.oracle.judge(this.time.now, known, verdict, context);
    const { id } = this.#environments.get(environment) as { id: string };
    const isStopped = this.#stopped.includes(machine);
    if (isStopped && verdict.valid) this.oracle.violated(this.time.now, `decided after its goodbye: ${context}`);
    if (verdict.valid && verdict.stale !== true && !machine.holdsLease(id)) {
      this.oracle.violated(this.time.now, `decided alone without a lease: ${context}`);
    }
    // Calm long enough for every verifier to be back: whoever has a key can use it.
    const calm = !isStopped && this.#calmSince > 0 && startedAt > this.#calmSince + 12_000;
    if (calm && started === 'alive' && this.oracle.get(secret, ability) === 'alive') this.oracle.count(verdict.valid);
  }

  async #checkLedger(): Promise<void> {
    if (this.#control === null) return;
    const { store, feed } = this.#control;
    const fault = await verifyChain(store.reader, feed.ledger.head);
    if (fault !== null)
      this.oracle.violated(this.time.now, `the chain is broken at ${fault.sequence}: ${fault.detail}`);
  }

  /** Runs events while a promise of the set-up is pending. */
  async #during<T>(promise: Promise<T>): Promise<T> {
    const done = { settled: false };
    const settled = () => {
      done.settled = true;
    };
    promise.then(settled, settled);
    for (let i = 0; !done.settled; i++) {
      if (i > DRAIN_LIMIT) throw new Error('the set-up does not end');
      await this.#drain();
      if (!done.settled) this.time.step(this.time.now + 1_000);
    }
    return await promise;
  }

  async #runUntil(limit: number): Promise<void> {
    while (this.time.step(limit)) await this.#drain();
  }

  /** Lets everything that needs no time happen: promises, and the ledger's turns of the event loop. */
  async #drain(): Promise<void> {
    for (let i = 0; i < DRAIN_LIMIT; i++) {
      await new Promise(setImmediate);
      const control = this.#control;
      if (this.#starting && control === null) continue;
      if (control === null || (control.feed.ledger.waiting === 0 && control.store.writer.waiting === 0)) return;
    }
    throw new Error('the simulated machines do not come to rest');
  }
}

function must<T>(result: T): Exclude<T, { refused: unknown }> {
  if (isRefusal(result)) throw new Error(`${result.refused}: ${result.detail}`);
  return result as Exclude<T, { refused: unknown }>;
}
