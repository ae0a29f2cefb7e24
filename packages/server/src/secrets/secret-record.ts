import type { SecretMetadata, SecretVersion, StoredSecret } from '@keyhold/protocol/operations/secrets';
import type { SecretRow, SecretVersionRow } from '../database/schema.ts';

/** A secret with the names of its place, and the id of its newest version. */
export type PlacedSecret = SecretRow & {
  readonly project_slug: string;
  readonly environment_name: string;
  readonly newest_id: string | null;
};

/** Versions kept where neither the secret nor its environment says. */
const DEFAULT_VERSIONS = 10;

export function versionsKept({ max_versions }: Pick<SecretRow, 'max_versions'>, inEnvironment: number): number {
  return max_versions || inEnvironment || DEFAULT_VERSIONS;
}

export function showSecret(
  row: SecretRow,
  place: { readonly project_slug: string; readonly environment_name: string },
): StoredSecret {
  return {
    id: row.id,
    project: place.project_slug,
    environment: place.environment_name,
    path: row.path,
    version: row.version,
    maxVersions: row.max_versions,
    casRequired: row.cas_required === 1,
    metadata: JSON.parse(row.metadata) as SecretMetadata,
    createdAt: new Date(row.created_at).toISOString(),
    updatedAt: new Date(row.updated_at).toISOString(),
  };
}

type Life = Pick<SecretVersionRow, 'envelope' | 'deleted_at' | 'expires_at'>;

/** A version is destroyed when its envelope is gone, else deleted by somebody or by its time, else live. */
export function stateOfVersion({ envelope, deleted_at, expires_at }: Life, nowMs: number): SecretVersion['state'] {
  if (envelope === null) return 'destroyed';
  return deleted_at !== null || (expires_at !== null && nowMs >= expires_at) ? 'deleted' : 'live';
}

export function showVersion(
  row: Life & Pick<SecretVersionRow, 'version' | 'created_at'>,
  nowMs: number,
): SecretVersion {
  const at = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString());
  return {
    version: row.version,
    state: stateOfVersion(row, nowMs),
    createdAt: new Date(row.created_at).toISOString(),
    deletedAt: at(row.deleted_at),
    expiresAt: at(row.expires_at),
  };
}
