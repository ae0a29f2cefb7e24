import type { Kysely } from 'kysely';
import type { Database, FactTables } from '../database/schema.ts';
import type { ChangedRow } from '../ledger/facts.ts';
import { listEnvironments, listProjects } from '../projects/projects.store.ts';

/** Projects of environments and slugs of projects: few, needed for every record, and never changing. */
export class Places {
  readonly #slugs = new Map<string, string>();
  readonly #projects = new Map<string, string>();

  /** Reads all of them. */
  async load(db: Kysely<Database>): Promise<void> {
    for (const { id, slug } of await listProjects(db, null, undefined, Number.MAX_SAFE_INTEGER)) this.#slugs.set(id, slug);
    for (const { id, project_id } of await listEnvironments(db, {})) this.#projects.set(id, project_id);
  }

  /** Notes what a commit added. */
  note({ table, row }: ChangedRow): void {
    if (table === 'projects') this.#slugs.set(row.id, (row as FactTables['projects']).slug);
    if (table === 'environments') this.#projects.set(row.id, (row as FactTables['environments']).project_id);
  }

  slugOf(projectId: string): string {
    return this.#slugs.get(projectId) ?? projectId;
  }

  projectOf(environmentId: string): string {
    return this.#projects.get(environmentId) ?? '';
  }
}
