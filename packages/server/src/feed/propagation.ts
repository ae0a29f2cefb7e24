import type { Barrier as BarrierReport } from '@keyhold/protocol/operations/shapes';
import type { Barrier, Concerned } from './barrier.ts';
import type { FeedHub } from './feed-hub.ts';

/** How long a giving waits for connected verifiers, at most (DESIGN §5, "Giving"). */
const GIVING_PATIENCE_MS = 250;

/** What a use case does after its commit, before it answers. */
export interface Propagation {
  /** Something was taken away by the entry at `sequence`: returns when it is dead everywhere. */
  taken(sequence: number, concerned: Concerned): Promise<BarrierReport>;
  /** Something was given: returns when connected verifiers have it, or soon after; never fails. */
  given(sequence: number): Promise<void>;
  /** An environment was created: verifiers also need a lease for it. */
  environmentGiven(sequence: number, project: string, environment: string): Promise<void>;
}

export function createPropagation(barrier: Barrier, hub: FeedHub): Propagation {
  return {
    taken: (sequence, concerned) => barrier.close(sequence, concerned),
    given: (sequence) => barrier.settle(sequence, GIVING_PATIENCE_MS, () => true),
    environmentGiven: (sequence, project, environment) => {
      const verifiers = hub.verifiersOf(project, environment);
      return barrier.settle(
        sequence,
        GIVING_PATIENCE_MS,
        ({ verifier, leases }) => !verifiers.has(verifier) || leases.has(environment),
      );
    },
  };
}
