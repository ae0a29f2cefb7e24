export const passkeys: readonly string[] = [
  // Beside the factor and not in it: an app has none of this.
  `CREATE TABLE passkeys (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, project_id TEXT NOT NULL REFERENCES projects (id),
    environment_id TEXT NOT NULL REFERENCES environments (id),
    factor_id TEXT NOT NULL UNIQUE REFERENCES consumer_factors (id), rp_id TEXT NOT NULL, origins TEXT NOT NULL,
    challenge TEXT NOT NULL, algorithm INTEGER, credential_id TEXT, public_key TEXT)`,
];
