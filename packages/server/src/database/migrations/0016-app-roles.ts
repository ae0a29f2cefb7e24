export const appRoles: readonly string[] = [
  `CREATE TABLE app_roles (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, project_id TEXT NOT NULL REFERENCES projects (id),
    environment_id TEXT NOT NULL REFERENCES environments (id), name TEXT NOT NULL, role_id TEXT NOT NULL UNIQUE,
    scopes TEXT NOT NULL, token_ttl INTEGER NOT NULL, secret_ttl INTEGER NOT NULL, secret_uses INTEGER NOT NULL,
    networks TEXT NOT NULL, state TEXT NOT NULL, created_at BIGINT NOT NULL)`,
  'CREATE INDEX app_roles_environment ON app_roles (environment_id, name)',
  `CREATE TABLE app_role_secrets (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, app_role_id TEXT NOT NULL REFERENCES app_roles (id),
    digest TEXT NOT NULL UNIQUE, uses_left INTEGER, networks TEXT NOT NULL, expires_at BIGINT, state TEXT NOT NULL,
    created_at BIGINT NOT NULL)`,
  'CREATE INDEX app_role_secrets_role ON app_role_secrets (app_role_id)',
];
