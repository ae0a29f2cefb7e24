import type { Fact } from './fact.ts';

/** Somebody, or a service, that was off-boarded. */
export interface OffboardingRow extends Fact {
  /** Id of a person, a token or a workload. */
  readonly principal_id: string;
  readonly reason: string;
  readonly made_by: string;
  /** `ending` until everything has ended and the list of what he knows is whole. */
  readonly state: 'ending' | 'done';
  /** JSON array of ids: tokens and workloads that he made and that go on. */
  readonly kept: string;
  readonly exposures: number;
  /** SHA-256 of the list, lower-case hex; null while it is ending. */
  readonly list_digest: string | null;
  /** The first and the last entry that the list was made of. */
  readonly log_from: number;
  readonly log_to: number;
  readonly created_at: number;
  readonly finished_at: number | null;
}
