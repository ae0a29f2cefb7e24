export const scim: readonly string[] = [
  `CREATE TABLE scim_users (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, sign_on_id TEXT NOT NULL, person_id TEXT NOT NULL REFERENCES people (id),
    user_name TEXT NOT NULL, user_name_key TEXT NOT NULL, external_id TEXT, active INTEGER NOT NULL,
    held_at BIGINT, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL,
    UNIQUE (sign_on_id, user_name_key), UNIQUE (sign_on_id, person_id))`,
  `CREATE TABLE scim_groups (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, sign_on_id TEXT NOT NULL, display_name TEXT NOT NULL, external_id TEXT,
    members TEXT NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, UNIQUE (sign_on_id, display_name))`,
];
