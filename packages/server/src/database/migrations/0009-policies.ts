export const policies: readonly string[] = [
  `CREATE TABLE policies (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, name TEXT NOT NULL UNIQUE, text TEXT NOT NULL, reason TEXT NOT NULL,
    saved_by TEXT NOT NULL, created_at BIGINT NOT NULL, saved_at BIGINT NOT NULL)`,
  `CREATE TABLE decisions (
    id TEXT PRIMARY KEY, hour BIGINT NOT NULL, principal_id TEXT NOT NULL, asked TEXT NOT NULL, action TEXT NOT NULL,
    project_id TEXT, environment_id TEXT, secret TEXT, allowed INTEGER NOT NULL, rule TEXT NOT NULL,
    first_at BIGINT NOT NULL, last_at BIGINT NOT NULL, count BIGINT NOT NULL)`,
  'CREATE INDEX decisions_hour ON decisions (hour)',
  'CREATE INDEX decisions_principal ON decisions (principal_id)',
];
