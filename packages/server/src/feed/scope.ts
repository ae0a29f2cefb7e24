/** What a feed connection may see: the binding of its token. */
export interface FeedScope {
  /** Project ids; null for all. */
  readonly projects: readonly string[] | null;
  /** Environment id; null for all of the projects'. */
  readonly environment: string | null;
}

/** To whom a record goes. The record itself is opaque here. */
export interface Addressed<Record> {
  readonly record: Record;
  /** Project ids that it concerns; null: everybody. */
  readonly projects: readonly string[] | null;
  /** Environment that it belongs to; null: the whole of its projects. */
  readonly environment: string | null;
}

export function isAddressedTo(addressed: Omit<Addressed<unknown>, 'record'>, scope: FeedScope): boolean {
  const { projects, environment } = addressed;
  if (scope.environment !== null && environment !== null) return scope.environment === environment;
  if (scope.projects === null || projects === null) return true;
  return projects.some((project) => scope.projects?.includes(project));
}
