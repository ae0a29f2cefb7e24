import type { EnvironmentKind } from '@keyhold/protocol/state';
import type { Kysely } from 'kysely';
import type { Database, FactTables } from '../database/schema.ts';
import type { ChangedRow } from '../ledger/facts.ts';
import { type CheckedRow, readChecked } from '../ledger/checked-rows.ts';

const ROWS_PER_READ = 500;

interface KnownEnvironment {
  readonly project: string;
  readonly name: string;
  readonly kind: EnvironmentKind;
}

/** Names of projects and environments: few, needed for every record and every policy, and never changing. */
export class Places {
  readonly #slugs = new Map<string, string>();
  readonly #projects = new Map<string, string>();
  readonly #environments = new Map<string, KnownEnvironment>();
  readonly #qualified = new Map<string, string>();

  #isWhole = true;

  /** False where a row of one was tampered with when they were read. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Reads all of them; those that were tampered with stay unknown, and so does what lies in them. */
  async load(db: Kysely<Database>, tampered: (rowId: string) => void): Promise<void> {
    for (const table of ['projects', 'environments'] as const) {
      for (let after: string | null = ''; after !== null; ) {
        const page: { rows: CheckedRow[]; last: string | null } = await readChecked(db, table, after, ROWS_PER_READ);
        for (const row of page.rows) {
          if ('tampered' in row) {
            this.#isWhole = false;
            tampered(row.tampered);
          } else this.note(row);
        }
        after = page.last;
      }
    }
  }

  /** Notes what a commit added. */
  note({ table, row }: ChangedRow): void {
    if (table === 'projects') {
      const { slug } = row as FactTables['projects'];
      this.#slugs.set(row.id, slug);
      this.#projects.set(slug, row.id);
    }
    if (table === 'environments') {
      const { project_id: project, name, kind } = row as FactTables['environments'];
      this.#environments.set(row.id, { project, name, kind });
      const slug = this.#slugs.get(project);
      if (slug !== undefined) this.#qualified.set(`${slug}/${name}`, row.id);
    }
  }

  /** Ids of all. */
  environments(): readonly string[] {
    return [...this.#environments.keys()];
  }

  /** Ids of all. */
  projects(): readonly string[] {
    return [...this.#slugs.keys()];
  }

  /** Undefined: the project's row was tampered with. */
  slugOf(projectId: string): string | undefined {
    return this.#slugs.get(projectId);
  }

  projectOf(environmentId: string): string {
    return this.#environments.get(environmentId)?.project ?? '';
  }

  /** Undefined: its row was tampered with. */
  environmentOf(environmentId: string): KnownEnvironment | undefined {
    return this.#environments.get(environmentId);
  }

  projectNamed(slug: string): string | undefined {
    return this.#projects.get(slug);
  }

  /** @param qualified `project/environment` */
  environmentNamed(qualified: string): string | undefined {
    return this.#qualified.get(qualified);
  }
}
