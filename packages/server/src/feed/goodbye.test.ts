import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { describe, it } from 'node:test';
import { isRefusal } from '@keyhold/protocol/errors';
import type { ControlMessage } from '@keyhold/protocol/feed';
import { createEnvironment } from '../projects/create-environment.ts';
import { createProject } from '../projects/create-project.ts';
import { findProject } from '../projects/projects.store.ts';
import { ControlMachine } from '../testing/simulation/control-machine.ts';
import { Dice } from '../testing/simulation/dice.ts';
import { type CommitFaults, MemoryDisk } from '../testing/simulation/memory-store.ts';
import { CALLER } from '../testing/simulation/operator.ts';
import { MachineClock, VirtualTime } from '../testing/simulation/virtual-time.ts';
import type { FeedSession } from './feed-session.ts';
import { loadHolders } from './lease-holders.store.ts';

const VERIFIER = 'ver_00000000-0000-4000-8000-000000000000';
const TOKEN = 'tok_1';
const NOBODY = { acknowledged: 0, waitedOut: 0, unconfirmed: 0 };

/** A control plane that can be started again over the same database, with two environments. */
class Installation {
  readonly faults: CommitFaults = { probability: 0 };
  readonly #disk: MemoryDisk;
  readonly #time = new VirtualTime();
  readonly #dice: Dice;
  #control: ControlMachine | null = null;

  private constructor(disk: MemoryDisk, seed: number) {
    this.#disk = disk;
    this.#dice = new Dice(seed);
  }

  static async create(seed = 1): Promise<Installation> {
    const made = new Installation(await MemoryDisk.create(), seed);
    const { context, store } = await made.start();
    const project = await createProject(context, CALLER, { slug: 'market', name: 'Market' });
    assert.ok(!isRefusal(project));
    const row = await findProject(store.reader, 'market');
    assert.ok(row !== undefined);
    for (const afterLease of ['refuse', 'serve'] as const) {
      const input = { name: afterLease, prefix: afterLease, leaseSeconds: 30, afterLease };
      assert.ok(!isRefusal(await createEnvironment(context, CALLER, row, input)));
    }
    await made.#makeToken();
    return made;
  }

  async #makeToken(): Promise<void> {
    const row = {
      id: TOKEN,
      name: 'feed',
      scopes: '["feed"]',
      projects: null,
      environment_id: null,
      digest: hash('sha256', TOKEN, 'hex'),
      hint: 'none',
      state: 'active',
      expires_at: null,
      created_at: 0,
    } as const;
    const draft = { actor: 'system', action: 'token.created', subject: TOKEN };
    await this.control.context.ledger.record(draft, (facts) => facts.insert('tokens', row));
  }

  get control(): ControlMachine {
    assert.ok(this.#control !== null);
    return this.#control;
  }

  async start(): Promise<ControlMachine> {
    const clock = new MachineClock(this.#time, 1, 0);
    const store = this.#disk.open(this.#dice, this.faults);
    this.#control = await ControlMachine.start(store, clock, this.#dice, TOKEN, {});
    return this.#control;
  }

  /** What a taking-away at the head waits for, while nobody acknowledges and time does not pass. */
  async barrier(): Promise<object> {
    const { feed } = this.control;
    const closing = feed.propagation.taken(feed.ledger.head.sequence, null);
    while (this.#time.step(this.#time.now + 60_000));
    const { acknowledged, waitedOut, unconfirmed } = await closing;
    return { acknowledged, waitedOut, unconfirmed };
  }

  /** Environments whose lease a start would count. */
  async stored(): Promise<number> {
    await this.control.store.writer.idle();
    return (await loadHolders(this.control.store.reader)).length;
  }

  /** A verifier that was sent its start state. */
  async connect(): Promise<{ session: FeedSession; grants: () => number }> {
    const sent: ControlMessage[] = [];
    const session = this.control.attach({
      send: (text) => void sent.push(JSON.parse(text)),
      bufferedBytes: 0,
      close: () => {},
    });
    session.receive({ type: 'hello', version: 1, verifier: VERIFIER, position: null });
    while (!session.live) await new Promise(setImmediate);
    const grants = () => sent.reduce((count, { type }) => count + Number(type === 'grant'), 0);
    return { session, grants };
  }
}

describe('a verifier that said goodbye', () => {
  it('is waited for by no later start, whatever its environments allow after the lease', async () => {
    const installation = await Installation.create();
    const { session } = await installation.connect();
    session.receive({ type: 'lease', request: 1 });
    assert.notEqual(await installation.stored(), 0);
    session.receive({ type: 'bye' });
    assert.equal(await installation.stored(), 0);
    await installation.start();
    assert.deepEqual(await installation.barrier(), NOBODY);
  });

  it('leaves nothing of a grant that was under way', async () => {
    const installation = await Installation.create();
    const { session, grants } = await installation.connect();
    session.receive({ type: 'lease', request: 1 });
    session.receive({ type: 'bye' });
    assert.equal(await installation.stored(), 0);
    assert.equal(grants(), 1);
    assert.deepEqual(await installation.barrier(), NOBODY);
    await installation.start();
    assert.deepEqual(await installation.barrier(), NOBODY);
  });

  it('is granted nothing that is not stored, however the commit of its goodbye ended', async () => {
    const stored = new Set<number>();
    for (let seed = 1; seed <= 20; seed++) {
      const installation = await Installation.create(seed);
      const first = await installation.connect();
      first.session.receive({ type: 'lease', request: 1 });
      const before = await installation.stored();
      installation.faults.probability = 1;
      first.session.receive({ type: 'bye' });
      stored.add(await installation.stored());
      installation.faults.probability = 0;
      const second = await installation.connect();
      second.session.receive({ type: 'lease', request: 2 });
      assert.equal(await installation.stored(), before, `seed ${seed}`);
      assert.equal(second.grants(), 1);
    }
    assert.deepEqual([...stored].sort(), [0, 2], 'both ends of a doubtful commit were met');
  });

  it('is waited for as anybody else when its goodbye never came', async () => {
    const installation = await Installation.create();
    const { session } = await installation.connect();
    session.receive({ type: 'lease', request: 1 });
    await installation.stored();
    await installation.start();
    assert.deepEqual(await installation.barrier(), { acknowledged: 0, waitedOut: 0, unconfirmed: 1 });
  });
});
