export const signedRequests: readonly string[] = [
  // Beside the credential and not in it: most credentials are bearers and have none.
  `CREATE TABLE signature_keys (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, project_id TEXT NOT NULL REFERENCES projects (id),
    environment_id TEXT NOT NULL REFERENCES environments (id),
    credential_id TEXT NOT NULL UNIQUE REFERENCES credentials (id), algorithm TEXT NOT NULL,
    public_key TEXT, vault_key_id TEXT REFERENCES vault_keys (id), envelope TEXT, created_at BIGINT NOT NULL)`,
  // A public key is of one credential for ever: two of them could each be blamed for what the other signed.
  'CREATE UNIQUE INDEX signature_keys_public ON signature_keys (public_key)',
  `CREATE TABLE signing_settings (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, project_id TEXT NOT NULL REFERENCES projects (id),
    environment_id TEXT NOT NULL UNIQUE REFERENCES environments (id), dialects TEXT NOT NULL, replay TEXT NOT NULL,
    replay_reads TEXT NOT NULL, created_at BIGINT NOT NULL)`,
  `CREATE TABLE key_rules (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, project_id TEXT NOT NULL REFERENCES projects (id),
    environment_id TEXT NOT NULL UNIQUE REFERENCES environments (id), withdrawals TEXT NOT NULL,
    without_networks TEXT, unused_days INTEGER, second_factor TEXT NOT NULL, created_at BIGINT NOT NULL)`,
  `CREATE TABLE address_books (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, project_id TEXT NOT NULL REFERENCES projects (id),
    environment_id TEXT NOT NULL REFERENCES environments (id), key_id TEXT NOT NULL UNIQUE REFERENCES keys (id),
    addresses TEXT NOT NULL)`,
  // By consumer and environment: the secret lies under a key of the environment in which it counts.
  `CREATE TABLE consumer_factors (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, project_id TEXT NOT NULL REFERENCES projects (id),
    environment_id TEXT NOT NULL REFERENCES environments (id),
    consumer_id TEXT NOT NULL REFERENCES consumers (id), kind TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL,
    algorithm TEXT NOT NULL, used_step BIGINT, vault_key_id TEXT REFERENCES vault_keys (id), envelope TEXT,
    created_at BIGINT NOT NULL)`,
  'CREATE INDEX consumer_factors_consumer ON consumer_factors (consumer_id, environment_id)',
];
