import type { Offboarding } from '@keyhold/protocol/operations/offboarding';
import type { OffboardingRow } from '../database/compliance-rows.ts';

/**
 * @param name what whoever left is called
 * @param sequence of the newest entry about it
 */
export function showOffboarding(row: OffboardingRow, name: string | null, sequence: number): Offboarding {
  return {
    id: row.id,
    of: row.principal_id,
    name,
    by: row.made_by,
    reason: row.reason,
    state: row.state,
    kept: JSON.parse(row.kept) as string[],
    exposures: row.exposures,
    listDigest: row.list_digest,
    sequence,
    from: row.log_from,
    to: row.log_to,
    createdAt: new Date(row.created_at).toISOString(),
    finishedAt: row.finished_at === null ? null : new Date(row.finished_at).toISOString(),
  };
}
