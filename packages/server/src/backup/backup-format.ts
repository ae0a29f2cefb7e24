import type { Database } from '../database/schema.ts';

/**
 * A backup, inside its encryption: lines of JSON. The first says what it is of, then come the rows as
 * `["table", {…}]`, and the last is the manifest: how many rows of each table, and SHA-256 over every byte before it. A
 * backup without its last line is none.
 */
export const BACKUP_VERSION = 1;

export interface BackupHeader {
  readonly 'keyhold-backup': typeof BACKUP_VERSION;
  readonly installation: string;
  readonly epoch: number;
  readonly sequence: number;
  readonly hash: string | null;
  readonly at: string;
}

export interface BackupManifest {
  readonly rows: Readonly<Record<string, number>>;
  readonly sha256: string;
}

/** Whether the first line of something says that it is a backup of this version. */
export function isHeader(value: unknown): value is BackupHeader {
  if (!isRecord(value) || value['keyhold-backup'] !== BACKUP_VERSION) return false;
  const { installation, epoch, sequence, hash, at } = value;
  return (
    [installation, at].every((text) => typeof text === 'string') &&
    [epoch, sequence].every(Number.isSafeInteger) &&
    (hash === null || typeof hash === 'string')
  );
}

export function isManifest(value: unknown): value is BackupManifest {
  return isRecord(value) && typeof value['sha256'] === 'string' && isRecord(value['rows']);
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Tables in an order in which what a row refers to comes first, with what a page of them goes by. */
export const BACKUP_TABLES = {
  projects: 'id',
  environments: 'id',
  permission_settings: 'id',
  signing_settings: 'id',
  key_rules: 'id',
  consumers: 'id',
  keys: 'id',
  credentials: 'id',
  address_books: 'id',
  tokens: 'id',
  bootstrap_tokens: 'id',
  people: 'id',
  person_passkeys: 'id',
  person_passwords: 'id',
  sign_ons: 'id',
  person_identities: 'id',
  scim_users: 'id',
  scim_groups: 'id',
  role_grants: 'id',
  invitations: 'id',
  sessions: 'id',
  session_uses: 'session_id',
  person_passkey_uses: 'passkey_id',
  policies: 'id',
  custom_roles: 'id',
  approval_requests: 'id',
  approvals: 'id',
  break_glass: 'id',
  offboardings: 'id',
  exposures: 'id',
  seals: 'id',
  vault_keys: 'id',
  signature_keys: 'id',
  consumer_factors: 'id',
  passkeys: 'id',
  workloads: 'id',
  app_roles: 'id',
  app_role_secrets: 'id',
  secrets: 'id',
  secret_versions: 'id',
  secret_settings: 'id',
  deliveries: 'id',
  transit_keys: 'id',
  transit_key_versions: 'id',
  log_exports: 'id',
  log_keys: 'id',
  personal_keys: 'id',
  period_keys: 'id',
  entries: 'sequence',
  entry_sides: 'sequence',
  entry_tokens: 'id',
  row_heads: 'row_id',
  log_tiles: 'id',
  credential_usage: 'credential_id',
  quota_usage: 'key_id',
  key_uses: 'key_id',
  log_export_progress: 'export_id',
  ledger_head: 'one',
} as const satisfies Partial<Record<keyof Database, string>>;

export type BackupTable = keyof typeof BACKUP_TABLES;

/**
 * What a restored installation does without: who holds leases (for whom it waits as for one
 * who is unknown) and slices of quotas now, which calls were repeated,
 * denials by the minute, how long its processes have run; and what it makes anew from its entries.
 */
export const NOT_BACKED_UP = [
  'lease_holders',
  'quota_slices',
  'idempotency',
  'denials',
  'decisions',
  'log_checkpoints',
  'lived_time',
] as const satisfies readonly (keyof Database)[];
