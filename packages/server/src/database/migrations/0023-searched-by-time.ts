export const searchedByTime: readonly string[] = [
  // With the sequence in it: where a time begins and ends in the log is read from the index alone.
  'DROP INDEX entries_at',
  'CREATE INDEX entries_at ON entries (at, sequence)',
  'CREATE INDEX personal_keys_period ON personal_keys (period, id)',
];
