import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Kysely } from 'kysely';
import { type Located, allow } from '../access/locate.ts';
import type { Action } from '../access/authorise.ts';
import type { Principal } from '../access/principal.ts';
import type { ConsumerRow, Database, EnvironmentRow, ProjectRow } from '../database/schema.ts';
import { findConsumer, findEnvironment, findProject } from './projects.store.ts';

type Db = Kysely<Database>;

/** Finds a project and whether the principal may act on it; what he may not see does not exist. */
export async function openProject(
  db: Db,
  principal: Principal,
  action: Action,
  slug: string,
): Promise<ProjectRow | Refusal> {
  const absent = refuse('PROJECT_NOT_FOUND', `There is no project "${slug}".`, 'project');
  const project = await findProject(db, slug);
  const located: Located | Refusal =
    project === undefined ? absent : { resource: { project: project.id, environment: principal.environment }, absent };
  // A token of one environment sees that environment's project, and nothing else of it.
  if (project !== undefined && principal.environment !== null) {
    const own = await findEnvironmentById(db, principal.environment);
    if (own?.project_id !== project.id) return allow(principal, action, absent) ?? absent;
  }
  return allow(principal, action, located) ?? (project as ProjectRow);
}

async function findEnvironmentById(db: Db, id: string): Promise<EnvironmentRow | undefined> {
  return await db.selectFrom('environments').selectAll().where('id', '=', id).executeTakeFirst();
}

/** Finds an environment with its project. */
export async function openEnvironment(
  db: Db,
  principal: Principal,
  action: Action,
  slug: string,
  name: string,
): Promise<{ project: ProjectRow; environment: EnvironmentRow } | Refusal> {
  const project = await openProject(db, principal, action, slug);
  if (isRefusal(project)) return project;
  const absent = refuse('ENVIRONMENT_NOT_FOUND', `${slug} has no environment "${name}".`, 'environment');
  const environment = await findEnvironment(db, project.id, name);
  if (environment === undefined) return absent;
  const resource = { project: project.id, environment: environment.id };
  return allow(principal, action, { resource, absent }) ?? { project, environment };
}

/** Finds a consumer. */
export async function openConsumer(
  db: Db,
  principal: Principal,
  action: Action,
  id: string,
): Promise<ConsumerRow | Refusal> {
  const absent = refuse('CONSUMER_NOT_FOUND', `There is no consumer ${id}.`, 'id');
  const consumer = await findConsumer(db, id);
  if (consumer === undefined) return allow(principal, action, absent) ?? absent;
  let environment: string | null = null;
  if (principal.environment !== null) {
    const own = await findEnvironmentById(db, principal.environment);
    if (own?.project_id === consumer.project_id) environment = principal.environment;
  }
  return allow(principal, action, { resource: { project: consumer.project_id, environment }, absent }) ?? consumer;
}
