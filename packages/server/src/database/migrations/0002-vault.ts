export const vault: readonly string[] = [
  `CREATE TABLE seals (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, kind TEXT NOT NULL, parameters TEXT NOT NULL,
    root_version INTEGER NOT NULL, root_key TEXT NOT NULL, previous_root_key TEXT, created_at BIGINT NOT NULL)`,
  `CREATE TABLE vault_keys (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, project_id TEXT NOT NULL REFERENCES projects (id),
    environment_id TEXT NOT NULL REFERENCES environments (id), purpose TEXT NOT NULL, version INTEGER NOT NULL,
    root_version INTEGER NOT NULL, wrapped TEXT NOT NULL, created_at BIGINT NOT NULL,
    UNIQUE (environment_id, purpose, version))`,
  `CREATE TABLE secrets (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, project_id TEXT NOT NULL REFERENCES projects (id),
    environment_id TEXT NOT NULL REFERENCES environments (id), path TEXT NOT NULL, version BIGINT NOT NULL,
    max_versions INTEGER NOT NULL, cas_required INTEGER NOT NULL, metadata TEXT NOT NULL, created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL, UNIQUE (environment_id, path))`,
  `CREATE TABLE secret_versions (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, project_id TEXT NOT NULL, environment_id TEXT NOT NULL,
    secret_id TEXT NOT NULL REFERENCES secrets (id), version BIGINT NOT NULL,
    vault_key_id TEXT NOT NULL REFERENCES vault_keys (id), envelope TEXT, deleted_at BIGINT, expires_at BIGINT,
    created_at BIGINT NOT NULL, UNIQUE (secret_id, version))`,
  'CREATE INDEX secret_versions_key ON secret_versions (vault_key_id, id)',
  `CREATE TABLE secret_settings (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, project_id TEXT NOT NULL,
    environment_id TEXT NOT NULL UNIQUE REFERENCES environments (id), max_versions INTEGER NOT NULL,
    cas_required INTEGER NOT NULL, delete_after_seconds BIGINT NOT NULL, created_at BIGINT NOT NULL)`,
  `CREATE TABLE deliveries (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, project_id TEXT NOT NULL, environment_id TEXT NOT NULL,
    subject TEXT NOT NULL, digest TEXT NOT NULL UNIQUE, vault_key_id TEXT NOT NULL REFERENCES vault_keys (id),
    envelope TEXT, taken_at BIGINT, expires_at BIGINT NOT NULL, created_at BIGINT NOT NULL)`,
  `CREATE TABLE transit_keys (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, project_id TEXT NOT NULL,
    environment_id TEXT NOT NULL REFERENCES environments (id), name TEXT NOT NULL, latest_version INTEGER NOT NULL,
    min_decryption_version INTEGER NOT NULL, min_encryption_version INTEGER NOT NULL,
    deletion_allowed INTEGER NOT NULL, created_at BIGINT NOT NULL, UNIQUE (environment_id, name))`,
  `CREATE TABLE transit_key_versions (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, project_id TEXT NOT NULL, environment_id TEXT NOT NULL,
    transit_key_id TEXT NOT NULL REFERENCES transit_keys (id), version INTEGER NOT NULL,
    vault_key_id TEXT NOT NULL REFERENCES vault_keys (id), envelope TEXT NOT NULL, created_at BIGINT NOT NULL,
    UNIQUE (transit_key_id, version))`,
  'CREATE TABLE key_uses (key_id TEXT PRIMARY KEY, uses BIGINT NOT NULL)',
];
