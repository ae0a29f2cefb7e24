import type { AddCheckpoint } from '@keyhold/protocol/log/add-checkpoint';
import type { Checkpoint } from '@keyhold/protocol/log/checkpoint';
import { isSameHash } from '@keyhold/protocol/log/merkle';
import { verifyConsistency } from '@keyhold/protocol/log/merkle-proofs';
import type { NoteKey } from '@keyhold/protocol/log/signed-note';
import { sha256 } from '../note-crypto.ts';

/** A checkpoint with the log's keys that signed it, and when each says that it did. */
export interface SeenCheckpoint extends Checkpoint {
  readonly signers: ReadonlyMap<NoteKey, number | null>;
}

/**
 * What a log said against itself. `forked`: two roots for one size. `shrunk`: a smaller tree, by its own time signed
 * after a larger one; "as of the specified time, this is the largest consistent tree" (tlog-cosignature). Either is
 * proven by the two notes alone. `unproven`: it came with a proof that fails; that may be the proof's fault.
 */
export type Contradiction = 'forked' | 'shrunk' | 'unproven';

export type Judgement =
  | { readonly status: 200 }
  | { readonly status: 400 | 409 | 422; readonly contradiction: Contradiction | null };

/**
 * Whether what the log asks for may be cosigned, by the rules of tlog-witness in their order.
 * @param last what was cosigned last; null where nothing was
 */
export function judge(last: SeenCheckpoint | null, asked: SeenCheckpoint, request: AddCheckpoint): Judgement {
  const contradiction = last === null ? null : contradictionOf(last, asked);
  const { oldSize, proof } = request;
  if (oldSize > asked.size) return { status: 400, contradiction };
  if (oldSize !== (last?.size ?? 0)) return { status: 409, contradiction };
  if (asked.size === 0 && !isSameHash(asked.root, sha256(new Uint8Array(0)))) return { status: 422, contradiction };
  if (last === null || oldSize === 0) {
    return proof.length === 0 ? { status: 200 } : { status: 422, contradiction };
  }
  if (verifyConsistency(sha256, { from: last, to: asked }, proof)) return { status: 200 };
  // Of two trees of one size there is nothing to prove: they are the same or contradict each other.
  return { status: 422, contradiction: oldSize === asked.size ? contradiction : 'unproven' };
}

function contradictionOf(last: SeenCheckpoint, asked: SeenCheckpoint): 'forked' | 'shrunk' | null {
  if (asked.size === last.size) return isSameHash(asked.root, last.root) ? null : 'forked';
  if (asked.size > last.size) return null;
  for (const [key, atSeconds] of asked.signers) {
    const before = last.signers.get(key) ?? null;
    if (atSeconds !== null && before !== null && atSeconds > before) return 'shrunk';
  }
  return null;
}
