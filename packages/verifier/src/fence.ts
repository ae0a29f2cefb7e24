import type { Position } from '@keyhold/protocol/feed';

/**
 * Why a verifier must not follow this control plane, or null: its ledger has to be a continuation of what the
 * verifier has applied. A restored backup is not, until an operator accepts it (DESIGN §5).
 */
export function fenceReason(mine: Position | null, theirs: Position, theirHashAtMine: string | null): string | null {
  if (mine === null) return null;
  if (theirs.installation !== mine.installation) return 'another installation answers';
  if (theirs.epoch < mine.epoch) return 'the control plane is of an earlier epoch';
  if (theirs.sequence < mine.sequence) return 'the control plane is behind this verifier';
  if (theirHashAtMine !== mine.hash) return 'the control plane has another entry at this sequence';
  return null;
}

/** True when an operator accepted the restore after everything that this verifier has seen. */
export function isAccepted(mine: Position | null, acceptedEpoch: number | null): boolean {
  return mine !== null && acceptedEpoch !== null && acceptedEpoch > mine.epoch;
}
