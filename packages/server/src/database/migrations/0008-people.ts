export const people: readonly string[] = [
  'CREATE TABLE bootstrap_tokens (id TEXT PRIMARY KEY, salt TEXT NOT NULL, token_id TEXT NOT NULL)',
  `CREATE TABLE people (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL,
    sessions_after BIGINT NOT NULL, passkeys_after BIGINT NOT NULL, created_at BIGINT NOT NULL)`,
  // What was removed keeps its row: a credential id is never taken twice.
  `CREATE TABLE person_passkeys (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, person_id TEXT NOT NULL REFERENCES people (id), name TEXT NOT NULL,
    credential_id TEXT NOT NULL UNIQUE, public_key TEXT NOT NULL, algorithm INTEGER NOT NULL, state TEXT NOT NULL,
    created_at BIGINT NOT NULL)`,
  'CREATE INDEX person_passkeys_person ON person_passkeys (person_id)',
  `CREATE TABLE role_grants (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, person_id TEXT NOT NULL REFERENCES people (id), role TEXT NOT NULL,
    project_id TEXT REFERENCES projects (id), environment_id TEXT REFERENCES environments (id), reason TEXT NOT NULL,
    expires_at BIGINT, state TEXT NOT NULL, granted_by TEXT NOT NULL, created_at BIGINT NOT NULL)`,
  'CREATE INDEX role_grants_person ON role_grants (person_id)',
  `CREATE TABLE invitations (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, person_id TEXT NOT NULL REFERENCES people (id),
    invited_by TEXT NOT NULL, digest TEXT NOT NULL UNIQUE, state TEXT NOT NULL, expires_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL)`,
  'CREATE INDEX invitations_person ON invitations (person_id)',
  `CREATE TABLE sessions (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, person_id TEXT NOT NULL REFERENCES people (id), passkey_id TEXT NOT NULL,
    kind TEXT NOT NULL, digest TEXT NOT NULL UNIQUE, previous_digest TEXT UNIQUE, renewed_at BIGINT NOT NULL,
    state TEXT NOT NULL, expires_at BIGINT NOT NULL, created_at BIGINT NOT NULL)`,
  'CREATE INDEX sessions_person ON sessions (person_id)',
  'CREATE TABLE session_uses (session_id TEXT PRIMARY KEY, last_used_at BIGINT NOT NULL, last_used_from TEXT NOT NULL)',
  'CREATE TABLE person_passkey_uses (passkey_id TEXT PRIMARY KEY, counter BIGINT NOT NULL, last_used_at BIGINT NOT NULL)',
];
