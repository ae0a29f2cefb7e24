import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { NoteKey } from '@keyhold/protocol/log/signed-note';
import type { Scratch } from '../database/scratch.ts';
import type { Alarms } from '../ledger/alarms.ts';
import type { Vault } from '../vault/vault.ts';
import { readCosigned } from './cosignatures.ts';
import { OTHER_ENTRIES, type Published, type TransparencyLog } from './log.ts';
import { forgetCheckpoint, keepCheckpoint, readCheckpointNote } from './log.store.ts';
import { logKeysOf } from './open-log-keys.ts';
import { proveConsistency } from './prove.ts';
import { rootOfEntries } from './root-of-entries.ts';
import { compareSeen } from './seen-elsewhere.ts';
import { WitnessClient } from './witness-client.ts';
import { type WitnessFault, WitnessPeer } from './witness-peer.ts';
import type { WitnessPolicy } from './witness-policy.ts';
import { WitnessRounds } from './witness-rounds.ts';

export interface WitnessesOptions {
  readonly vault: Vault;
  readonly scratch: Scratch;
  readonly log: TransparencyLog;
  readonly alarms: Alarms;
  /** Null where nobody witnesses this log. */
  readonly policy: WitnessPolicy | null;
}

/** What is known of a witness, for an operator. */
export interface WitnessState {
  readonly name: string;
  readonly size: number | null;
  readonly lag: number | null;
  readonly lastError: string | null;
  readonly lastSeenMs: number | null;
}

interface Waiter {
  readonly size: number;
  readonly reached: (isWitnessed: boolean) => void;
}

/** Has each checkpoint cosigned by the witnesses of the policy, in the background: nothing waits for them unasked. */
export class Witnesses implements Disposable {
  readonly #options: WitnessesOptions;
  readonly #client: WitnessClient;
  readonly #ended = new AbortController();
  readonly #rounds: WitnessRounds;
  readonly #peers: readonly WitnessPeer[];
  readonly #waiters = new Set<Waiter>();
  #witnessed: Published | null = null;

  private constructor(options: WitnessesOptions) {
    const { policy, vault, log } = options;
    this.#options = options;
    this.#client = new WitnessClient(vault.clock);
    this.#rounds = new WitnessRounds(policy?.isQuorum ?? (() => false));
    const peer = {
      client: this.#client,
      clock: vault.clock,
      random: vault.random,
      origin: log.origin,
      committed: () => vault.ledger.head.sequence,
      prove: async (from: number, to: number) => (await proveConsistency(log.tiles, from, to)).proof,
      fault: (of: WitnessPeer, fault: WitnessFault) => this.#onFault(of, fault),
      ready: () => this.#advance(),
      ended: this.#ended.signal,
    };
    this.#peers = (policy?.asked ?? []).map((asked) => new WitnessPeer(asked, peer));
  }

  /** Begins to ask, with what was kept of before. */
  static async start(options: WitnessesOptions): Promise<Witnesses> {
    const witnesses = new Witnesses(options);
    if (options.policy === null) return witnesses;
    await witnesses.#readKept(options.policy);
    options.log.follow(() => witnesses.#advance());
    witnesses.#advance();
    return witnesses;
  }

  /** The newest checkpoint that enough witnesses cosigned. */
  get witnessed(): Published | null {
    return this.#witnessed;
  }

  /** Whether that is the newest checkpoint of all; null where nobody witnesses this log. */
  get quorumMet(): boolean | null {
    const { policy, log } = this.#options;
    return policy === null ? null : this.#witnessed !== null && this.#witnessed.size === log.published?.size;
  }

  /** A checkpoint with the cosignatures that it has. */
  cosigned(checkpoint: Published): Published {
    return this.#rounds.cosigned(checkpoint);
  }

  /**
   * A checkpoint that covers that many entries: the one that enough witnesses cosigned where that is far enough, so
   * that whoever asks for them believes it; else the newest, which the log alone vouches for.
   * @param level witnessed: refused where there is only the latter
   */
  async covering(size: number, level?: 'integrated' | 'witnessed'): Promise<Published | Refusal> {
    const witnessed = this.#witnessed;
    if (witnessed !== null && witnessed.size >= size) return witnessed;
    if (level === 'witnessed')
      return refuse(
        'NOT_WITNESSED',
        `Of ${witnessed?.size ?? 0} entries a checkpoint is cosigned by enough witnesses.`,
      );
    const checkpoint = await this.#options.log.covering(size);
    return isRefusal(checkpoint) ? checkpoint : this.cosigned(checkpoint);
  }

  /** Resolves to true when enough witnesses cosigned so many entries; to false when it is not waited for any more. */
  until(size: number, given: AbortSignal): Promise<boolean> {
    if ((this.#witnessed?.size ?? 0) >= size) return Promise.resolve(true);
    if (this.#options.policy === null || this.#ended.signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const reached = (isWitnessed: boolean) => {
        this.#waiters.delete(waiter);
        resolve(isWitnessed);
      };
      const waiter: Waiter = { size, reached };
      this.#waiters.add(waiter);
      given.addEventListener('abort', () => reached(false), { once: true });
    });
  }

  show(): WitnessState[] {
    const ours = this.#options.log.published?.size ?? 0;
    return this.#peers.flatMap(({ witness, size, lastError, lastSeenMs }) =>
      witness.named.map(({ name }) => ({
        ...{ name, size, lastError, lastSeenMs },
        lag: size === null ? null : Math.max(0, ours - size),
      })),
    );
  }

  [Symbol.dispose](): void {
    this.#ended.abort();
    for (const { reached } of this.#waiters) reached(false);
  }

  /** Asks each that may be asked for what it has not cosigned. */
  #advance(): void {
    const { published } = this.#options.log;
    this.#rounds.advance(
      published,
      this.#peers.some(({ busy }) => busy),
    );
    const { target } = this.#rounds;
    if (target === null) return;
    for (const peer of this.#peers) {
      if (peer.mayBeAsked(target.size) && !this.#rounds.has(target.size, peer.keys)) void this.#ask(peer, target);
    }
    void this.#conclude(target);
  }

  async #ask(peer: WitnessPeer, target: Published): Promise<void> {
    const cosignatures = await peer.ask(target);
    if (this.#ended.signal.aborted) return;
    if (cosignatures !== null) {
      this.#rounds.add(target, cosignatures);
      await this.#conclude(target);
    }
    this.#advance();
  }

  /** Keeps a checkpoint once enough have cosigned it, and then lets go whoever waits for it. */
  async #conclude(checkpoint: Published): Promise<void> {
    if (checkpoint.size <= (this.#witnessed?.size ?? 0) || !this.#rounds.isMet(checkpoint.size)) return;
    const { scratch } = this.#options;
    const { size, note } = this.#rounds.cosigned(checkpoint);
    // Not waited for by anybody where it can't be kept now: the next one will be.
    const kept = await scratch
      .write((tables) => keepCheckpoint(tables, 'witnessed', size, note))
      .then(
        () => true,
        () => false,
      );
    if (!kept || size <= (this.#witnessed?.size ?? 0)) return;
    this.#witnessed = { ...checkpoint, note };
    for (const waiter of this.#waiters) if (waiter.size <= size) waiter.reached(true);
  }

  async #readKept({ isQuorum }: WitnessPolicy): Promise<void> {
    const { vault, scratch, log, alarms } = this.#options;
    const note = await readCheckpointNote(vault.reader, 'witnessed');
    const keys = this.#peers.flatMap((peer) => peer.keys);
    const kept = note === null ? null : readCosigned(note, log.origin, keys);
    // Another policy asks for others.
    if (note === null || kept === null || !isQuorum(kept.cosigners)) return;
    // INVARIANT: what witnesses saw of another database says nothing of this one, however true their signatures are.
    const own = await log.recognise(note);
    if (own === null) return;
    if (typeof own === 'string') {
      alarms.raise(
        'LOG_FORGED',
        `${subjectOf(log.origin)}/witnessed`,
        `the kept witnessed checkpoint is of another log: ${own}`,
      );
      // What the log did sign stays, to show that; a larger one goes over it. A size that is not reached would not.
      if (own !== OTHER_ENTRIES) await scratch.write((tables) => forgetCheckpoint(tables, 'witnessed'));
      return;
    }
    this.#witnessed = own;
    for (const peer of this.#peers) {
      if (!peer.keys.every((key) => kept.cosigners.has(key))) continue;
      peer.size = kept.published.size;
      peer.held = kept.published.size;
    }
  }

  async #onFault(peer: WitnessPeer, { code, detail }: WitnessFault): Promise<void> {
    const { alarms, log } = this.#options;
    const { named } = peer.witness;
    const name = named.map((witness) => witness.name).join(', ');
    const why = code === 'WITNESS_LIES' ? null : await this.#contradiction(peer);
    if (why !== null) alarms.raise('LOG_ROLLED_BACK', subjectOf(log.origin), `the witness ${name} shows it: ${why}`);
    else if (code === 'WITNESS_REFUSES') alarms.raise(code, subjectOf(named[0]?.key), `the witness ${name}: ${detail}`);
    else {
      const unshown = code === 'WITNESS_AHEAD' ? ', and shows no such checkpoint that this log signed' : '';
      alarms.raise('WITNESS_LIES', subjectOf(named[0]?.key), `the witness ${name}: ${detail}${unshown}`);
    }
  }

  /** Why this database is not what the witness saw, by a checkpoint that the log itself signed; or null. */
  async #contradiction({ witness, keys }: WitnessPeer): Promise<string | null> {
    const { vault, log, policy } = this.#options;
    const byEntries = (size: number) => rootOfEntries(vault.reader, size);
    const shown = await this.#client.newest(witness.url, log.origin, this.#ended.signal);
    if ('failed' in shown || shown.note === null) return null;
    const own = {
      origin: log.origin,
      keys: await logKeysOf(vault.reader, log.origin, policy?.logs ?? []),
      size: vault.ledger.head.sequence,
    };
    const { note } = shown;
    const see = (rootAt: (size: number) => Promise<Uint8Array>) => compareSeen(note, keys, { ...own, rootAt });
    // Tiles say it at once; only where they differ all entries are worth a look, since somebody may have edited tiles alone.
    const byTiles = await see((size) => log.tiles.rangeHash({ start: 0, end: size })).catch(() => null);
    const seen = byTiles?.is === 'contradicted' || byTiles === null ? await see(byEntries) : byTiles;
    return seen.is === 'contradicted' ? seen.why : null;
  }
}

/** Alarms are entries, which hold ids only: what names the witness there is the id of its key. */
function subjectOf(of: NoteKey | string | undefined): string {
  if (typeof of === 'string') return of.replace(/^.*\//, '');
  return `witness_${(of?.keyId ?? 0).toString(16).padStart(8, '0')}`;
}
