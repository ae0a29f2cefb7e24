/** With the sequence in it, so that where a time begins and ends in the log is read from the index alone. */
export const entriesByTime: readonly string[] = [
  'DROP INDEX entries_at',
  'CREATE INDEX entries_at ON entries (at, sequence)',
];
