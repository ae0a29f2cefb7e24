export const offboarding: readonly string[] = [
  `CREATE TABLE offboardings (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, principal_id TEXT NOT NULL, reason TEXT NOT NULL, made_by TEXT NOT NULL,
    state TEXT NOT NULL, kept TEXT NOT NULL, exposures INTEGER NOT NULL, list_digest TEXT,
    log_from BIGINT NOT NULL, log_to BIGINT NOT NULL, created_at BIGINT NOT NULL, finished_at BIGINT)`,
  'CREATE INDEX offboardings_state ON offboardings (state)',
  // Made of entries, and committed to by the digest in the entry of its off-boarding.
  'CREATE TABLE exposures (id TEXT PRIMARY KEY, line TEXT NOT NULL)',
];
