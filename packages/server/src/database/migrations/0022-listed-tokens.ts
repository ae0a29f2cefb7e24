export const listedTokens: readonly string[] = [
  'CREATE INDEX tokens_end ON tokens (expires_at)',
  'CREATE INDEX tokens_name ON tokens (name, expires_at)',
  'CREATE INDEX tokens_environment ON tokens (environment_id, id) WHERE environment_id IS NOT NULL',
  'CREATE INDEX tokens_projects ON tokens (id) WHERE projects IS NOT NULL',
];
