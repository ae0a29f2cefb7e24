import type { Leaf } from '@keyhold/protocol/leaf';
import type { Offboarding } from '@keyhold/protocol/operations/offboarding';
import type { OffboardingRow } from '../database/compliance-rows.ts';

/** What is known of one beside its row. */
export interface Beside {
  /** What whoever left is called. */
  readonly name: string | null;
  /** The entry that commits to its list. */
  readonly listing: { readonly sequence: number; readonly leaf: Leaf } | undefined;
  readonly unattributed: readonly string[];
}

export function showOffboarding(row: OffboardingRow, { name, listing, unattributed }: Beside): Offboarding {
  return {
    id: row.id,
    of: row.principal_id,
    name,
    by: row.made_by,
    reason: row.reason,
    state: row.state,
    kept: JSON.parse(row.kept) as string[],
    exposures: row.exposures,
    listDigest: listing?.leaf.code ?? row.list_digest,
    sequence: listing?.sequence ?? null,
    unattributed: [...unattributed],
    from: row.log_from,
    to: row.log_to,
    createdAt: new Date(row.created_at).toISOString(),
    finishedAt: row.finished_at === null ? null : new Date(row.finished_at).toISOString(),
  };
}
