export const auditLog: readonly string[] = [
  // What has to be kept of the tree over all entries to go on with it; null until it is first computed.
  'ALTER TABLE ledger_head ADD COLUMN tree TEXT',
  'CREATE INDEX entries_actor ON entries (actor, sequence)',
  'CREATE INDEX entries_action ON entries (action, sequence)',
  'CREATE INDEX entries_at ON entries (at)',
  'ALTER TABLE entry_sides ADD COLUMN key_id TEXT',
  'CREATE INDEX entry_sides_key ON entry_sides (key_id)',
  'CREATE TABLE entry_tokens (id TEXT PRIMARY KEY)',
  `CREATE TABLE personal_keys (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, project_id TEXT NOT NULL REFERENCES projects (id),
    environment_id TEXT NOT NULL REFERENCES environments (id), subject TEXT NOT NULL, period TEXT NOT NULL,
    vault_key_id TEXT NOT NULL REFERENCES vault_keys (id), envelope TEXT NOT NULL, created_at BIGINT NOT NULL,
    UNIQUE (subject, period))`,
  `CREATE TABLE period_keys (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, project_id TEXT NOT NULL REFERENCES projects (id),
    environment_id TEXT NOT NULL REFERENCES environments (id), period TEXT NOT NULL UNIQUE, recipient TEXT NOT NULL,
    vault_key_id TEXT NOT NULL REFERENCES vault_keys (id), envelope TEXT NOT NULL, created_at BIGINT NOT NULL)`,
  `CREATE TABLE log_exports (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, url TEXT,
    first_sequence BIGINT NOT NULL, personal INTEGER NOT NULL, created_at BIGINT NOT NULL)`,
  `CREATE TABLE log_export_progress (
    export_id TEXT PRIMARY KEY, sequence BIGINT NOT NULL, sending BIGINT, failures INTEGER NOT NULL, last_error TEXT,
    delivered_at BIGINT)`,
  `CREATE TABLE log_tiles (
    id TEXT PRIMARY KEY, level INTEGER NOT NULL, number BIGINT NOT NULL, hashes TEXT NOT NULL,
    UNIQUE (level, number))`,
  `CREATE TABLE log_checkpoints (kind TEXT PRIMARY KEY, size BIGINT NOT NULL, note TEXT NOT NULL)`,
  `CREATE TABLE log_keys (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, project_id TEXT NOT NULL REFERENCES projects (id),
    environment_id TEXT NOT NULL REFERENCES environments (id), origin TEXT NOT NULL, algorithm TEXT NOT NULL,
    public_key TEXT NOT NULL, vault_key_id TEXT NOT NULL REFERENCES vault_keys (id), envelope TEXT NOT NULL,
    created_at BIGINT NOT NULL, UNIQUE (origin, algorithm))`,
];
