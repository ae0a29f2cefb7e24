export const workloads: readonly string[] = [
  `CREATE TABLE workloads (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, name TEXT NOT NULL, issuer TEXT NOT NULL, audience TEXT NOT NULL,
    jwks_uri TEXT, claims TEXT NOT NULL, scopes TEXT NOT NULL, projects TEXT,
    environment_id TEXT REFERENCES environments (id), ttl_seconds INTEGER NOT NULL, state TEXT NOT NULL,
    created_at BIGINT NOT NULL)`,
  'CREATE INDEX workloads_issuer ON workloads (issuer)',
];
