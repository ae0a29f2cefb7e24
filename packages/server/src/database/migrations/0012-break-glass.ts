export const breakGlass: readonly string[] = [
  `CREATE TABLE break_glass (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, person_id TEXT NOT NULL REFERENCES people (id), reason TEXT NOT NULL,
    state TEXT NOT NULL, expires_at BIGINT NOT NULL, created_at BIGINT NOT NULL, reviewed_by TEXT, review TEXT,
    reviewed_at BIGINT)`,
  'CREATE INDEX break_glass_person ON break_glass (person_id)',
];
