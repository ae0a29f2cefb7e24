/** What {@link entryWriters} are told. */
export interface EntryWriterSettings {
  /** They stop when the log has that many entries. */
  readonly until: number;
  /** Where they note what was acknowledged. */
  readonly file: string;
  readonly writers?: number;
  /** What they do: entries alone, or each with a row of its own. */
  readonly rows?: 'none' | 'fresh';
}

/** The module that makes a control plane write many entries, to be loaded before its entry; see `entry-writers.ts`. */
export function entryWriters(settings: EntryWriterSettings): string {
  const module = new URL('./entry-writers.ts', import.meta.url);
  for (const [name, value] of Object.entries(settings)) module.searchParams.set(name, String(value));
  return module.href;
}
