export const auditLog: readonly string[] = [
  // What has to be kept of the tree over all entries to go on with it; null until it is first computed.
  'ALTER TABLE ledger_head ADD COLUMN tree TEXT',
  'CREATE INDEX entries_actor ON entries (actor, sequence)',
  'CREATE INDEX entries_action ON entries (action, sequence)',
  'CREATE INDEX entries_at ON entries (at)',
  `CREATE TABLE log_tiles (
    level INTEGER NOT NULL, number BIGINT NOT NULL, hashes TEXT NOT NULL, PRIMARY KEY (level, number))`,
  `CREATE TABLE log_checkpoints (kind TEXT PRIMARY KEY, size BIGINT NOT NULL, note TEXT NOT NULL)`,
  `CREATE TABLE log_keys (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, project_id TEXT NOT NULL REFERENCES projects (id),
    environment_id TEXT NOT NULL REFERENCES environments (id), origin TEXT NOT NULL, algorithm TEXT NOT NULL,
    public_key TEXT NOT NULL, vault_key_id TEXT NOT NULL REFERENCES vault_keys (id), envelope TEXT NOT NULL,
    created_at BIGINT NOT NULL, UNIQUE (origin, algorithm))`,
];
