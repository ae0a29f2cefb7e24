import { writeAddCheckpoint } from '@keyhold/protocol/log/add-checkpoint';
import type { NoteKey } from '@keyhold/protocol/log/signed-note';
import type { Clock } from '../clock.ts';
import type { Random } from '../random.ts';
import { type Cosignatures, checkCosignatures } from './cosignatures.ts';
import type { Published } from './log.ts';
import type { WitnessClient } from './witness-client.ts';
import type { AskedWitness } from './witness-policy.ts';

/** What a witness does that an operator has to look at. */
export interface WitnessFault {
  readonly code: 'WITNESS_LIES' | 'WITNESS_REFUSES' | 'WITNESS_AHEAD';
  readonly detail: string;
}

export interface PeerOptions {
  readonly client: WitnessClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly origin: string;
  /** Entries that are committed. */
  readonly committed: () => number;
  /** Consistency from a size to another. */
  readonly prove: (from: number, to: number) => Promise<readonly Uint8Array[]>;
  readonly fault: (peer: WitnessPeer, fault: WitnessFault) => Promise<void>;
  /** Told when it may be asked again. */
  readonly ready: () => void;
  readonly ended: AbortSignal;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
/** Sizes that it may name in one round before it is left alone for a while. */
const MAX_TURNS = 3;

/** One witness: what is known of it. INVARIANT: it is asked one thing at a time, and left alone after it failed. */
export class WitnessPeer {
  readonly witness: AskedWitness;
  readonly keys: readonly NoteKey[];
  /** Size that it cosigned last, as far as is known. */
  size: number | null = null;
  /** Largest size that there was a cosignature of its for. */
  held = 0;
  lastError: string | null = null;
  /** When it last answered, whatever it said. */
  lastSeenMs: number | null = null;
  readonly #options: PeerOptions;
  #failures = 0;
  #busy = false;
  #wait: (() => void) | null = null;

  constructor(witness: AskedWitness, options: PeerOptions) {
    this.witness = witness;
    this.keys = witness.named.map(({ key }) => key);
    this.#options = options;
    options.ended.addEventListener('abort', () => this.#wait?.());
  }

  get busy(): boolean {
    return this.#busy;
  }

  /** Whether it may be asked for this now. */
  mayBeAsked(size: number): boolean {
    return !this.#busy && this.#wait === null && (this.size ?? 0) <= size && !this.#options.ended.aborted;
  }

  /** Asks for its cosignatures. @returns null where it gave none; why is told on the way */
  async ask(target: Published): Promise<Cosignatures | null> {
    this.#busy = true;
    try {
      const cosignatures = await this.#ask(target);
      if (cosignatures !== null) this.#failures = 0;
      return cosignatures;
    } catch (error) {
      // A proof that could not be made now; the log's own alarms say why.
      this.#fail((error as Error).message);
      return null;
    } finally {
      this.#busy = false;
    }
  }

  async #ask(target: Published): Promise<Cosignatures | null> {
    const { client, origin, prove, ended, clock } = this.#options;
    for (let turn = 0; turn < MAX_TURNS; turn++) {
      const from = this.size ?? 0;
      const proof = from === 0 || from === target.size ? [] : await prove(from, target.size);
      const body = writeAddCheckpoint({ oldSize: from, proof, checkpoint: target.note });
      const answer = await client.submit(this.witness.url, body, ended);
      if (answer.kind === 'failed') return this.#fail(answer.detail);
      this.lastSeenMs = clock.wall();
      if (answer.kind === 'refused') {
        return await this.#faulty({ code: 'WITNESS_REFUSES', detail: `it answers ${answer.status} to a checkpoint` });
      }
      if (answer.kind === 'cosigned') {
        const nowSeconds = Math.floor(clock.wall() / 1_000);
        const cosignatures = checkCosignatures(this.keys, { origin, ...target }, answer.lines, nowSeconds);
        if ('lie' in cosignatures) return await this.#faulty({ code: 'WITNESS_LIES', detail: cosignatures.lie });
        this.lastError = null;
        this.size = target.size;
        this.held = Math.max(this.held, target.size);
        return cosignatures;
      }
      if (!(await this.#takeSize(answer.size, from, target.size))) return null;
    }
    return this.#fail('it names another size each time');
  }

  /** Takes over the size that it says it cosigned last. @returns whether to go on from there */
  async #takeSize(size: number, from: number, target: number): Promise<boolean> {
    const { committed, fault } = this.#options;
    if (size === from) {
      await this.#faulty({ code: 'WITNESS_LIES', detail: `it refuses the size ${size} and names the same` });
      return false;
    }
    if (size > committed()) {
      const detail = `it says that it cosigned ${size} entries of ${committed()}`;
      await this.#faulty({ code: 'WITNESS_AHEAD', detail });
      return false;
    }
    if (size < this.held) {
      // What it gave its word for it has to know. It is asked all the same: others' keys of it may be older still.
      await fault(this, { code: 'WITNESS_LIES', detail: `it cosigned ${this.held} entries and says ${size}` });
    }
    this.size = size;
    // It saw a checkpoint that was not kept, of what was committed: the next one is asked for.
    return size <= target;
  }

  async #faulty(fault: WitnessFault): Promise<null> {
    this.#fail(fault.detail);
    await this.#options.fault(this, fault);
    return null;
  }

  /** Leaves it alone, each time for twice as long, and half of that is chance: witnesses are not asked in step. */
  #fail(detail: string): null {
    const { clock, random, ready, ended } = this.#options;
    this.lastError = detail;
    if (ended.aborted) return null;
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(this.#failures, 16));
    this.#failures++;
    const [high = 0, low = 0] = random.bytes(2);
    const cancel = clock.after(pause / 2 + (pause / 2) * ((high * 256 + low) / 65_536), () => {
      this.#wait = null;
      ready();
    });
    this.#wait?.();
    this.#wait = cancel;
    return null;
  }
}
