export const signOn: readonly string[] = [
  `CREATE TABLE sign_ons (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, name TEXT NOT NULL UNIQUE, issuer TEXT NOT NULL, client_id TEXT NOT NULL,
    groups_claim TEXT NOT NULL, subject_claim TEXT NOT NULL, makes_people INTEGER NOT NULL, on_deactivated TEXT NOT NULL, roles TEXT NOT NULL, saved_by TEXT NOT NULL,
    project_id TEXT NOT NULL REFERENCES projects (id), environment_id TEXT NOT NULL REFERENCES environments (id),
    vault_key_id TEXT, envelope TEXT, created_at BIGINT NOT NULL, saved_at BIGINT NOT NULL)`,
  // Who was put out keeps his: signing in at the provider once more must not make him anew.
  `CREATE TABLE person_identities (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, person_id TEXT NOT NULL REFERENCES people (id), issuer TEXT NOT NULL,
    subject TEXT NOT NULL, sign_on_id TEXT NOT NULL, state TEXT NOT NULL, created_at BIGINT NOT NULL,
    UNIQUE (issuer, subject))`,
  'CREATE INDEX person_identities_person ON person_identities (person_id)',
  'CREATE INDEX role_grants_granter ON role_grants (granted_by)',
];
