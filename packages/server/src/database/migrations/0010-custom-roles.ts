export const customRoles: readonly string[] = [
  `CREATE TABLE custom_roles (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, name TEXT NOT NULL UNIQUE, actions TEXT NOT NULL, about TEXT NOT NULL,
    created_at BIGINT NOT NULL, saved_at BIGINT NOT NULL)`,
];
