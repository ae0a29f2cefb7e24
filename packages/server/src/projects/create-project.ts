import { type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Project } from '@keyhold/protocol/operations/projects';
import { attribution, type Caller, type ChangeContext } from '../access/change-context.ts';
import type { Recorded } from '../ledger/entry.ts';
import { showProject } from './project.ts';
import { findProject } from './projects.store.ts';

/** Creates a project. */
export async function createProject(
  { ledger, random, clock }: ChangeContext,
  caller: Caller,
  { slug, name }: { readonly slug: string; readonly name: string },
): Promise<Recorded<Project> | Refusal> {
  const id = random.newId('project');
  return await ledger.record(
    { ...attribution(caller), action: 'project.created', subject: id, project: id },
    async (facts) => {
      if (await findProject(facts.db, slug)) return refuse('SLUG_TAKEN', `"${slug}" is taken.`, '/slug');
      return showProject(await facts.insert('projects', { id, slug, name, created_at: clock.wall() }));
    },
  );
}
