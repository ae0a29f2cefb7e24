import type { ControlMessage, Position, SigningRecord } from '@keyhold/protocol/feed';
import type { Clock } from './clock.ts';
import type { ConnectFeed, FeedLink } from './feed-link.ts';
import { Leases } from './leases.ts';
import { fenceReason, isAccepted } from './fence.ts';
import type { Replica } from './replica.ts';
import { SnapshotBuilder } from './snapshot-builder.ts';

/** What the verifier's owner is told; never a secret. */
export interface FeedEvents {
  connected?(): void;
  disconnected?(reason: string): void;
  /** It tried to follow and could not: told at the first failure, then once a minute, and anew once it has followed. */
  failed?(reason: string): void;
  /** The verifier refuses to serve: its control plane's ledger is not a continuation of what it has applied. */
  fenced?(reason: string): void;
}

export interface FeedClientOptions {
  readonly verifierId: string;
  readonly clock: Clock;
  readonly connect: ConnectFeed;
  readonly emptyReplica: () => Replica;
  /** Uniform in [0, 1): spreads reconnections. */
  readonly random: () => number;
  readonly events: FeedEvents;
}

const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 5_000;
/** An unanswered lease request means that the connection is dead, whatever TCP says. */
const ANSWER_TIMEOUT_MS = 5_000;
/** A start state of which nothing arrives for this long is given up. */
const START_TIMEOUT_MS = 10_000;
/** Renewal while no lease length is known, and the longest pause between renewals. */
const LONGEST_RENEWAL_MS = 10_000;
const SHORTEST_RENEWAL_MS = 250;
/** Between two words on attempts that fail. */
const TELL_AGAIN_MS = 60_000;
/** Why it hangs up by its own will. */
const STARTING_ANEW = 'restore accepted: starting anew';

/** Keeps a replica in step with its control plane and holds the leases to decide from it. */
export class FeedClient {
  readonly leases: Leases;
  readonly #options: FeedClientOptions;
  #replica: Replica;
  #position: Position | null = null;
  #fenced: string | null = null;
  #link: FeedLink | null = null;
  #live = false;
  #stopped = false;
  #parting: Promise<void> | null = null;
  /** The connection over which it said goodbye. */
  #parted: { readonly link: FeedLink; readonly resolve: () => void } | null = null;
  #retryMs = FIRST_RETRY_MS;
  /** When it was last told that an attempt failed, monotonic; null: not since it followed. */
  #toldAt: number | null = null;
  #snapshot: SnapshotBuilder | null = null;
  #cancelRenewal: () => void = () => {};
  #cancelTimeout: () => void = () => {};
  #cancelRetry: () => void = () => {};
  #cancelPatience: () => void = () => {};
  #expecting = false;
  #awaitingGrant = false;
  #renewalMs = LONGEST_RENEWAL_MS;
  #nextQuestion = 1;
  readonly #questions = new Map<number, (answer: unknown) => void>();
  #tellSigning: (signing: SigningRecord) => void = () => {};

  constructor(options: FeedClientOptions) {
    this.#options = options;
    this.#replica = options.emptyReplica();
    this.leases = new Leases(options.clock);
  }

  get replica(): Replica {
    return this.#replica;
  }

  get position(): Position | null {
    return this.#position;
  }

  /** Why this verifier refuses to serve, or null. */
  get fenced(): string | null {
    return this.#fenced;
  }

  /** True once it was told to stop: it has said that it decides nothing any more. */
  get stopped(): boolean {
    return this.#stopped;
  }

  get connected(): boolean {
    return this.#live;
  }

  /** Tells how requests are read from now on, in the very step in which the replica that serves begins to say so. */
  onSigning(listener: (signing: SigningRecord) => void): void {
    this.#tellSigning = listener;
  }

  start(): void {
    if (this.#stopped || this.#link !== null) return;
    let closed = false;
    let link: FeedLink | null = null;
    link = this.#options.connect({
      opened: () => {
        if (!closed) this.#hello();
      },
      received: (message) => {
        if (!closed && link !== null && this.#link === link) this.#receive(message);
      },
      closed: (reason) => {
        if (closed) return;
        closed = true;
        if (link !== null && this.#link === link) this.#lost(reason);
        if (link !== null && this.#parted?.link === link) this.#parted.resolve();
      },
    });
    if (closed) this.#lost('not connected');
    else this.#link = link;
  }

  /**
   * Gives up leases first and says so, so that nobody waits for them. Resolves once the connection is closed: then the
   * goodbye has arrived, or there was nobody to take it.
   * INVARIANT: it never decides again after its goodbye; the control plane forgets by it whatever was granted to it.
   */
  stop(): Promise<void> {
    if (this.#parting !== null) return this.#parting;
    this.#stopped = true;
    this.leases.drop();
    this.#cancelRetry();
    const link = this.#link;
    if (this.#live) link?.send({ type: 'bye' });
    this.#lost('stopped');
    this.#parting = new Promise((resolve) => {
      if (link === null) return resolve();
      this.#parted = { link, resolve };
      link.close();
    });
    return this.#parting;
  }

  /** Hands counts to the control plane; false when there is none to take them. */
  report(payload: unknown): boolean {
    if (!this.#live || this.#link === null) return false;
    this.#link.send({ type: 'report', payload });
    return true;
  }

  /** Asks the control plane; null when it can't be asked or does not answer in time. */
  ask(payload: unknown): Promise<unknown> {
    const link = this.#link;
    if (!this.#live || link === null) return Promise.resolve(null);
    const request = this.#nextQuestion++;
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(ANSWER_TIMEOUT_MS, () => this.#answer(request, null));
      this.#questions.set(request, (answer) => {
        cancel();
        resolve(answer);
      });
      link.send({ type: 'ask', request, payload });
    });
  }

  /** Asks for leases now, for example because an environment was just created. */
  renew(): void {
    const link = this.#link;
    if (!this.#live || link === null || this.#fenced !== null) return;
    this.#cancelRenewal();
    const request = this.leases.ask();
    this.#expectGrant();
    this.#cancelRenewal = this.#options.clock.after(this.#renewalMs, () => this.renew());
    link.send({ type: 'lease', request });
  }

  /** From the oldest request without an answer on: asking again must not lengthen the patience. */
  #expectGrant(): void {
    if (this.#awaitingGrant) return;
    this.#awaitingGrant = true;
    this.#watchGrant();
  }

  /** An answer waits behind the parts of a snapshot, of which each shows that the connection lives. */
  #watchGrant(): void {
    this.#cancelTimeout = this.#options.clock.after(ANSWER_TIMEOUT_MS, () =>
      this.#snapshot === null ? this.#giveUp('lease request unanswered') : this.#watchGrant(),
    );
  }

  #hello(): void {
    this.#link?.send({ type: 'hello', version: 1, verifier: this.#options.verifierId, position: this.#position });
    this.#cancelTimeout = this.#options.clock.after(ANSWER_TIMEOUT_MS, () => this.#giveUp('no welcome'));
  }

  #receive(message: ControlMessage): void {
    if (!this.#live && message.type !== 'welcome') return this.#giveUp('the welcome comes first');
    switch (message.type) {
      case 'welcome':
        return this.#welcome(message);
      case 'snapshot':
        return this.#takeSnapshot(message);
      case 'changes':
        return this.#takeChanges(message);
      case 'grant':
        return this.#takeGrant(message);
      case 'answer':
        return this.#answer(message.request, message.payload);
    }
  }

  #welcome(message: ControlMessage & { type: 'welcome' }): void {
    this.#cancelTimeout();
    const reason = fenceReason(this.#position, message.position, message.hashAtYours);
    if (reason !== null && isAccepted(this.#position, message.acceptedEpoch)) {
      this.#forget();
      return this.#giveUp(STARTING_ANEW);
    }
    if (reason !== null) return this.#fence(reason);
    this.#fenced = null;
    if (this.#position !== null) this.#position = { ...this.#position, epoch: message.position.epoch };
    this.#live = true;
    this.#retryMs = FIRST_RETRY_MS;
    this.#toldAt = null;
    this.#options.events.connected?.();
    if (this.#position === null) this.#expectStart();
    else this.renew();
  }

  #expectStart(): void {
    this.#cancelPatience();
    this.#expecting = false;
    this.#cancelPatience = this.#options.clock.after(START_TIMEOUT_MS, () => this.#giveUp('no snapshot came'));
  }

  /** It never goes backwards by itself: what it holds is kept, and nothing is served from it. */
  #fence(reason: string): void {
    const first = this.#fenced === null;
    this.#fenced = reason;
    this.leases.drop();
    if (first) this.#options.events.fenced?.(reason);
    this.#retryMs = LONGEST_RETRY_MS;
    this.#giveUp(reason);
  }

  #forget(): void {
    this.#fenced = null;
    this.#position = null;
    this.#replica = this.#options.emptyReplica();
    this.leases.drop();
    this.#retryMs = FIRST_RETRY_MS;
  }

  #takeSnapshot(message: ControlMessage & { type: 'snapshot' }): void {
    if (message.position.sequence < (this.#position?.sequence ?? 0)) return this.#giveUp('an older snapshot');
    if (message.part === 0) this.#snapshot?.abandon();
    if (message.part === 0) this.#snapshot = new SnapshotBuilder(this.#replica.successor());
    if (this.#snapshot === null || !this.#snapshot.add(message)) return this.#giveUp('snapshot out of order');
    if (!message.last) return this.#expectStart();
    this.#cancelPatience();
    this.#expecting = false;
    this.#replica = this.#snapshot.finish();
    this.#snapshot = null;
    for (const { signing } of this.#replica.environments()) if (signing !== null) this.#tellSigning(signing);
    // The answer comes right behind it: its time begins now.
    if (this.#awaitingGrant) {
      this.#cancelTimeout();
      this.#watchGrant();
    }
    const first = this.#position === null;
    this.#stand(message.position);
    // Renewals are also how a dead connection is noticed, so they run without any environment too.
    if (first && !this.#lacksLease()) this.renew();
  }

  #takeChanges(message: ControlMessage & { type: 'changes' }): void {
    if (this.#position === null) return this.#giveUp('changes before a snapshot');
    if (message.position.sequence <= this.#position.sequence) return;
    if (message.from !== this.#position.sequence) return this.#giveUp('changes are missing');
    for (const record of message.records) {
      this.#replica.apply(record);
      if (record.kind === 'signing') this.#tellSigning(record);
    }
    this.#stand(message.position);
  }

  /** INVARIANT: acknowledges after applying, never before: the barrier counts on it. */
  #stand(position: Position): void {
    this.#position = position;
    this.leases.applied(position.sequence);
    if (this.#lacksLease()) this.renew();
    this.#link?.send({ type: 'ack', sequence: position.sequence });
  }

  #lacksLease(): boolean {
    for (const { id } of this.#replica.environments()) if (!this.leases.has(id)) return true;
    return false;
  }

  #takeGrant(message: ControlMessage & { type: 'grant' }): void {
    this.#cancelTimeout();
    this.#awaitingGrant = false;
    this.leases.granted(message.request, message.sequence, message.leases, this.#position?.sequence ?? -1);
    const shortest = Math.min(...message.leases.map(({ seconds }) => seconds * 1000), 3 * LONGEST_RENEWAL_MS);
    this.#renewalMs = Math.max(SHORTEST_RENEWAL_MS, shortest / 3);
    this.#expectChanges(message.sequence);
    this.#cancelRenewal();
    if (this.#live) this.#cancelRenewal = this.#options.clock.after(this.#renewalMs, () => this.renew());
  }

  /** The head is ahead of the replica: what lies between is on its way, or lost. A snapshot has its own patience. */
  #expectChanges(sequence: number): void {
    if (this.#expecting || this.#snapshot !== null) return;
    if (this.#position === null || this.#position.sequence >= sequence) return;
    this.#expecting = true;
    this.#cancelPatience();
    this.#cancelPatience = this.#options.clock.after(ANSWER_TIMEOUT_MS, () => {
      this.#expecting = false;
      if ((this.#position?.sequence ?? -1) < sequence) this.#giveUp('changes are missing');
    });
  }

  #answer(request: number, payload: unknown): void {
    const resolve = this.#questions.get(request);
    this.#questions.delete(request);
    resolve?.(payload);
  }

  #giveUp(reason: string): void {
    const link = this.#link;
    this.#lost(reason);
    link?.close();
  }

  #lost(reason: string): void {
    this.#link = null;
    const wasLive = this.#live;
    this.#live = false;
    this.#snapshot?.abandon();
    this.#snapshot = null;
    this.#cancelRenewal();
    this.#cancelTimeout();
    this.#awaitingGrant = false;
    this.#cancelPatience();
    this.#expecting = false;
    for (const request of [...this.#questions.keys()]) this.#answer(request, null);
    if (this.#stopped) return;
    if (wasLive) this.#options.events.disconnected?.(reason);
    else if (reason !== this.#fenced && reason !== STARTING_ANEW) this.#tellFailure(reason);
    this.#cancelRetry();
    this.#cancelRetry = this.#options.clock.after(this.#retryMs * (0.5 + this.#options.random()), () => this.start());
    this.#retryMs = Math.min(LONGEST_RETRY_MS, this.#retryMs * 2);
  }

  #tellFailure(reason: string): void {
    const now = this.#options.clock.monotonic();
    if (this.#toldAt !== null && now - this.#toldAt < TELL_AGAIN_MS) return;
    this.#toldAt = now;
    this.#options.events.failed?.(reason);
  }
}
