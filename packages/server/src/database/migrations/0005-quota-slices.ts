export const quotaSlices: readonly string[] = [
  `CREATE TABLE quota_slices (
    key_id TEXT NOT NULL, period_start BIGINT NOT NULL, verifier_id TEXT NOT NULL, granted BIGINT NOT NULL,
    used BIGINT NOT NULL, turn BIGINT NOT NULL, PRIMARY KEY (key_id, period_start, verifier_id))`,
];
