import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Kysely } from 'kysely';
import type { Action } from '../access/authorise.ts';
import { reachFor } from '../access/locate.ts';
import { type Principal, type Reach, reaches } from '../access/principal.ts';
import type { ConsumerRow, Database, EnvironmentRow, ProjectRow } from '../database/schema.ts';
import { environmentsAmong, findConsumer, findEnvironment, findProject } from './projects.store.ts';

type Db = Kysely<Database>;

/** A project, and where the caller may do what he asked for. */
export interface OpenedProject {
  readonly project: ProjectRow;
  readonly reach: Reach;
}

/** Finds a project and whether the principal may act on it; what he may not see does not exist. */
export async function openProject(
  db: Db,
  principal: Principal,
  action: Action,
  slug: string,
): Promise<OpenedProject | Refusal> {
  const reach = reachFor(principal, action);
  if (isRefusal(reach)) return reach;
  const project = await findProject(db, slug);
  if (project !== undefined && (await reachesInto(db, reach, project.id))) return { project, reach };
  return refuse('PROJECT_NOT_FOUND', `There is no project "${slug}".`, 'project');
}

/** Who is bound to one environment sees that environment's project, and nothing else of it. */
async function reachesInto(db: Db, reach: Reach, project: string): Promise<boolean> {
  if (reaches(reach, { project, environment: null })) return true;
  return (await environmentsAmong(db, reach.environments, project)).length > 0;
}

/** Finds an environment with its project. */
export async function openEnvironment(
  db: Db,
  principal: Principal,
  action: Action,
  slug: string,
  name: string,
): Promise<{ project: ProjectRow; environment: EnvironmentRow } | Refusal> {
  const opened = await openProject(db, principal, action, slug);
  if (isRefusal(opened)) return opened;
  const { project, reach } = opened;
  const environment = await findEnvironment(db, project.id, name);
  if (environment !== undefined && reaches(reach, { project: project.id, environment: environment.id }))
    return { project, environment };
  return refuse('ENVIRONMENT_NOT_FOUND', `${slug} has no environment "${name}".`, 'environment');
}

/** Finds a consumer. */
export async function openConsumer(
  db: Db,
  principal: Principal,
  action: Action,
  id: string,
): Promise<{ consumer: ConsumerRow; reach: Reach } | Refusal> {
  const reach = reachFor(principal, action);
  if (isRefusal(reach)) return reach;
  const consumer = await findConsumer(db, id);
  if (consumer !== undefined && (await reachesInto(db, reach, consumer.project_id))) return { consumer, reach };
  return refuse('CONSUMER_NOT_FOUND', `There is no consumer ${id}.`, 'id');
}

/** What a list may show: projects that lie in it whole, null for all, and single environments of others. */
export interface Visible {
  readonly projects: readonly string[] | null;
  readonly environments: readonly string[];
}

/** What a list may show to the principal; with a slug, of that project. */
export async function visiblePlaces(
  db: Db,
  principal: Principal,
  action: Action,
  slug: string | undefined,
): Promise<Visible | Refusal> {
  if (slug === undefined) return reachFor(principal, action);
  const opened = await openProject(db, principal, action, slug);
  if (isRefusal(opened)) return opened;
  const { project, reach } = opened;
  if (reaches(reach, { project: project.id, environment: null })) return { projects: [project.id], environments: [] };
  const own = await environmentsAmong(db, reach.environments, project.id);
  return { projects: [], environments: own.map(({ id }) => id) };
}

/** Ids of the projects that a list may show, null for all: those of single environments too. */
export async function visibleProjects(
  db: Db,
  principal: Principal,
  action: Action,
  slug: string | undefined,
): Promise<readonly string[] | null | Refusal> {
  const visible = await visiblePlaces(db, principal, action, slug);
  if (isRefusal(visible) || visible.projects === null) return isRefusal(visible) ? visible : null;
  const around = await environmentsAmong(db, visible.environments);
  return [...new Set([...visible.projects, ...around.map(({ project_id }) => project_id)])];
}
