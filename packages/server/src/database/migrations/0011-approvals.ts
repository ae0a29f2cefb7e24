export const approvals: readonly string[] = [
  `CREATE TABLE approval_requests (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, person_id TEXT NOT NULL REFERENCES people (id), method TEXT NOT NULL,
    target TEXT NOT NULL, body TEXT NOT NULL, digest TEXT NOT NULL, action TEXT NOT NULL, project_id TEXT,
    environment_id TEXT, secret TEXT, rule TEXT NOT NULL, needed INTEGER NOT NULL, reason TEXT NOT NULL,
    state TEXT NOT NULL, expires_at BIGINT NOT NULL, created_at BIGINT NOT NULL)`,
  'CREATE INDEX approval_requests_person ON approval_requests (person_id)',
  'CREATE INDEX approval_requests_state ON approval_requests (state)',
  `CREATE TABLE approvals (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, request_id TEXT NOT NULL REFERENCES approval_requests (id),
    person_id TEXT NOT NULL REFERENCES people (id), verdict TEXT NOT NULL, digest TEXT NOT NULL, reason TEXT NOT NULL,
    created_at BIGINT NOT NULL)`,
  'CREATE INDEX approvals_request ON approvals (request_id)',
];
