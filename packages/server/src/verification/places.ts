import type { Kysely } from 'kysely';
import type { Database, FactTables } from '../database/schema.ts';
import type { ChangedRow } from '../ledger/facts.ts';
import { type CheckedRow, readChecked } from '../ledger/checked-rows.ts';

const ROWS_PER_READ = 500;

/** Projects of environments and slugs of projects: few, needed for every record, and never changing. */
export class Places {
  readonly #slugs = new Map<string, string>();
  readonly #projects = new Map<string, string>();

  /** Reads all of them; those that were tampered with stay unknown, and so does what lies in them. */
  async load(db: Kysely<Database>, tampered: (rowId: string) => void): Promise<void> {
    for (const table of ['projects', 'environments'] as const) {
      for (let after: string | null = ''; after !== null; ) {
        const page: { rows: CheckedRow[]; last: string | null } = await readChecked(db, table, after, ROWS_PER_READ);
        for (const row of page.rows) {
          if ('tampered' in row) tampered(row.tampered);
          else this.note(row);
        }
        after = page.last;
      }
    }
  }

  /** Notes what a commit added. */
  note({ table, row }: ChangedRow): void {
    if (table === 'projects') this.#slugs.set(row.id, (row as FactTables['projects']).slug);
    if (table === 'environments') this.#projects.set(row.id, (row as FactTables['environments']).project_id);
  }

  /** Ids of all. */
  environments(): readonly string[] {
    return [...this.#projects.keys()];
  }

  /** Undefined: the project's row was tampered with. */
  slugOf(projectId: string): string | undefined {
    return this.#slugs.get(projectId);
  }

  projectOf(environmentId: string): string {
    return this.#projects.get(environmentId) ?? '';
  }
}
