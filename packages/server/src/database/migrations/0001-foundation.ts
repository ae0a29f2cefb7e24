/** `TEXT` becomes `TEXT COLLATE "C"` on PostgreSQL, so that ids sort alike everywhere. */
export const foundation: readonly string[] = [
  `CREATE TABLE ledger_head (
    one INTEGER PRIMARY KEY CHECK (one = 1), installation TEXT NOT NULL, epoch BIGINT NOT NULL,
    sequence BIGINT NOT NULL, hash TEXT, accepted_epoch BIGINT, root_key_check TEXT)`,
  `CREATE TABLE entries (
    sequence BIGINT PRIMARY KEY, id TEXT NOT NULL UNIQUE, at BIGINT NOT NULL, actor TEXT NOT NULL,
    action TEXT NOT NULL, subject TEXT NOT NULL, leaf TEXT NOT NULL, hash TEXT NOT NULL)`,
  'CREATE INDEX entries_subject ON entries (subject, sequence)',
  'CREATE TABLE entry_sides (sequence BIGINT PRIMARY KEY, salt TEXT NOT NULL, body TEXT NOT NULL)',
  'CREATE TABLE row_heads (row_id TEXT PRIMARY KEY, sequence BIGINT NOT NULL, digest TEXT)',
  `CREATE TABLE idempotency (
    principal TEXT NOT NULL, idempotency_key TEXT NOT NULL, request_digest TEXT NOT NULL, response TEXT NOT NULL,
    sequence BIGINT NOT NULL, created_at BIGINT NOT NULL, PRIMARY KEY (principal, idempotency_key))`,
  'CREATE INDEX idempotency_age ON idempotency (created_at)',

  `CREATE TABLE projects (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, slug TEXT NOT NULL UNIQUE, name TEXT NOT NULL, created_at BIGINT NOT NULL)`,
  `CREATE TABLE environments (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, project_id TEXT NOT NULL REFERENCES projects (id), name TEXT NOT NULL,
    prefix TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, lease_seconds INTEGER NOT NULL, after_lease TEXT NOT NULL,
    created_at BIGINT NOT NULL, UNIQUE (project_id, name))`,
  `CREATE TABLE permission_settings (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, environment_id TEXT NOT NULL REFERENCES environments (id),
    permission TEXT NOT NULL, confirm TEXT, audit TEXT, UNIQUE (environment_id, permission))`,
  `CREATE TABLE consumers (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, project_id TEXT NOT NULL REFERENCES projects (id), name TEXT NOT NULL,
    external_id TEXT, rate_limits TEXT NOT NULL, metadata TEXT, created_at BIGINT NOT NULL,
    UNIQUE (project_id, external_id))`,
  `CREATE TABLE keys (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, project_id TEXT NOT NULL REFERENCES projects (id),
    environment_id TEXT NOT NULL REFERENCES environments (id), consumer_id TEXT NOT NULL REFERENCES consumers (id),
    name TEXT NOT NULL, state TEXT NOT NULL, reason TEXT, permissions TEXT NOT NULL, allowed_networks TEXT NOT NULL,
    rate_limits TEXT NOT NULL, quota TEXT, metadata TEXT, starts_at BIGINT, expires_at BIGINT,
    created_at BIGINT NOT NULL)`,
  'CREATE INDEX keys_environment ON keys (environment_id, id)',
  'CREATE INDEX keys_consumer ON keys (consumer_id, id)',
  `CREATE TABLE credentials (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, project_id TEXT NOT NULL, environment_id TEXT NOT NULL,
    key_id TEXT NOT NULL REFERENCES keys (id), kind TEXT NOT NULL,
    digest TEXT NOT NULL UNIQUE, hint TEXT NOT NULL, state TEXT NOT NULL, reason TEXT, starts_at BIGINT,
    expires_at BIGINT, created_at BIGINT NOT NULL)`,
  'CREATE INDEX credentials_key ON credentials (key_id, id)',
  'CREATE INDEX credentials_hint ON credentials (hint)',
  `CREATE TABLE tokens (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, name TEXT NOT NULL, scopes TEXT NOT NULL, projects TEXT,
    environment_id TEXT REFERENCES environments (id), digest TEXT NOT NULL UNIQUE, hint TEXT NOT NULL,
    state TEXT NOT NULL, expires_at BIGINT, created_at BIGINT NOT NULL)`,

  `CREATE TABLE lease_holders (
    verifier_id TEXT NOT NULL, environment_id TEXT NOT NULL, lease_seconds INTEGER NOT NULL,
    token_id TEXT NOT NULL, PRIMARY KEY (verifier_id, environment_id))`,
  `CREATE TABLE credential_usage (
    credential_id TEXT PRIMARY KEY, uses BIGINT NOT NULL, last_used_at BIGINT NOT NULL, last_used_from TEXT)`,
  'CREATE TABLE quota_usage (key_id TEXT PRIMARY KEY, period_start BIGINT NOT NULL, used BIGINT NOT NULL)',
  `CREATE TABLE denials (
    minute BIGINT NOT NULL, environment_id TEXT NOT NULL, code TEXT NOT NULL, count BIGINT NOT NULL,
    PRIMARY KEY (minute, environment_id, code))`,
];
