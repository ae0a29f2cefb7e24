import type { NoteKey } from '@keyhold/protocol/log/signed-note';
import { type Cosignatures, withCosignatures } from './cosignatures.ts';
import type { Published } from './log.ts';

/** Checkpoints whose cosignatures are kept until enough have come: a slow witness answers to an older one. */
const MAX_OPEN = 16;

interface Round {
  readonly checkpoint: Published;
  readonly cosignatures: Map<NoteKey, Cosignatures extends ReadonlyMap<NoteKey, infer S> ? S : never>;
}

/**
 * Which checkpoint witnesses are asked for, and who has cosigned which. They are all asked for the same one, until
 * enough of them have cosigned it or none is left to answer: asked for the newest each, two that answer in turn would
 * never cosign the same.
 */
export class WitnessRounds {
  readonly #isQuorum: (cosigners: ReadonlySet<NoteKey>) => boolean;
  readonly #open = new Map<number, Round>();
  #target: Published | null = null;

  constructor(isQuorum: (cosigners: ReadonlySet<NoteKey>) => boolean) {
    this.#isQuorum = isQuorum;
  }

  /** What is asked for now. */
  get target(): Published | null {
    return this.#target;
  }

  /** Goes over to the newest checkpoint, where nothing is waited for any more. */
  advance(newest: Published | null, isAnyAsked: boolean): void {
    if (newest === null || newest.size === this.#target?.size) return;
    if (this.#target !== null && isAnyAsked && !this.isMet(this.#target.size)) return;
    this.#target = newest;
    this.#round(newest);
  }

  has(size: number, keys: readonly NoteKey[]): boolean {
    const round = this.#open.get(size);
    return round !== undefined && keys.every((key) => round.cosignatures.has(key));
  }

  add(checkpoint: Published, cosignatures: Cosignatures): void {
    const round = this.#round(checkpoint);
    for (const [key, signature] of cosignatures) round.cosignatures.set(key, signature);
  }

  /** Whether enough have cosigned the checkpoint of that size. */
  isMet(size: number): boolean {
    return this.#isQuorum(new Set(this.#open.get(size)?.cosignatures.keys()));
  }

  /** The checkpoint with the cosignatures that it has. */
  cosigned(checkpoint: Published): Published {
    const cosignatures = this.#open.get(checkpoint.size)?.cosignatures;
    return cosignatures === undefined
      ? checkpoint
      : { ...checkpoint, note: withCosignatures(checkpoint, cosignatures) };
  }

  #round(checkpoint: Published): Round {
    const known = this.#open.get(checkpoint.size);
    if (known !== undefined) return known;
    const round: Round = { checkpoint, cosignatures: new Map() };
    this.#open.set(checkpoint.size, round);
    if (this.#open.size > MAX_OPEN) this.#open.delete(Math.min(...this.#open.keys()));
    return round;
  }
}
