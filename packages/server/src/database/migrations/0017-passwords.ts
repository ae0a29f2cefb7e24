export const passwords: readonly string[] = [
  `CREATE TABLE person_passwords (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, person_id TEXT NOT NULL REFERENCES people (id),
    invitation_id TEXT NOT NULL, login TEXT, hash TEXT, project_id TEXT NOT NULL REFERENCES projects (id),
    environment_id TEXT NOT NULL REFERENCES environments (id), vault_key_id TEXT, envelope TEXT, used_step BIGINT,
    recovery TEXT NOT NULL, state TEXT NOT NULL, created_at BIGINT NOT NULL)`,
  'CREATE INDEX person_passwords_person ON person_passwords (person_id)',
  'CREATE INDEX person_passwords_invitation ON person_passwords (invitation_id)',
  'CREATE UNIQUE INDEX person_passwords_login ON person_passwords (login)',
];
