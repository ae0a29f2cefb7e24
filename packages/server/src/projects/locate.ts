import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Kysely } from 'kysely';
import type { Action } from '../access/authorise.ts';
import { decide } from '../access/decide.ts';
import { allowAt, reachFor } from '../access/locate.ts';
import { mayAsk } from '../access/decide.ts';
import { holdsWhole, type Principal, type Reach } from '../access/principal.ts';
import type { ConsumerRow, Database, EnvironmentRow, ProjectRow } from '../database/schema.ts';
import { environmentsAmong, environmentsOf, findConsumer, findEnvironment, findProject } from './projects.store.ts';

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
  if (project === undefined) return noProject(slug);
  return (await allowInto(db, principal, action, reach, project.id, noProject(slug))) ?? { project, reach };
}

/** An environment of the project that lies in the reach: only these are looked at, since each may take a decision. */
async function firstWithin(db: Db, reach: Reach, project: string): Promise<string | undefined> {
  const own = await environmentsOf(db, project);
  return own.find((environment) => reach.reaches({ project, environment }));
}

/** Allows it on the project, or on something in it: but not where a policy forbids it of the project itself. */
async function allowInto(
  db: Db,
  principal: Principal,
  action: Action,
  reach: Reach,
  project: string,
  absent: Refusal,
): Promise<Refusal | null> {
  const whole = { project, environment: null };
  const isOfPart = decide(principal, action, whole).rule === 'default';
  const within = isOfPart ? await firstWithin(db, reach, project) : undefined;
  const resource = within === undefined ? whole : { project, environment: within };
  return allowAt(principal, action, { resource, absent });
}

function noProject(slug: string): Refusal {
  return refuse('PROJECT_NOT_FOUND', `There is no project "${slug}".`, 'project');
}

/** What in an environment something is about. */
export interface InEnvironment {
  /** Path of the one secret: policies may open just that, or close it. */
  readonly secret?: string | undefined;
  /** Whether what is asked takes away and gives nothing. */
  readonly narrows?: (environment: EnvironmentRow) => Promise<boolean>;
}

/** Finds an environment with its project. */
export async function openEnvironment(
  db: Db,
  principal: Principal,
  action: Action,
  slug: string,
  name: string,
  { secret, narrows }: InEnvironment = {},
): Promise<{ project: ProjectRow; environment: EnvironmentRow } | Refusal> {
  const reach = reachFor(principal, action);
  if (isRefusal(reach)) return reach;
  const project = await findProject(db, slug);
  if (project === undefined) return noProject(slug);
  const absent = refuse('ENVIRONMENT_NOT_FOUND', `${slug} has no environment "${name}".`, 'environment');
  const environment = await findEnvironment(db, project.id, name);
  const place = { project: project.id, ...(secret === undefined ? {} : { secret }) };
  const resource = { ...place, environment: environment?.id ?? null };
  const isLooked = environment !== undefined && narrows !== undefined && mayAsk(principal, action, resource);
  const about = { isThere: secret === undefined, narrows: isLooked && (await narrows(environment)) };
  const denied = environment === undefined ? absent : allowAt(principal, action, { resource, absent, ...about });
  if (denied === null && environment !== undefined) return { project, environment };
  if (denied !== null && denied !== absent) return denied;
  // Who is bound to one environment sees that environment's project, and nothing else of it.
  if (reach.reaches({ project: project.id, environment: null })) return absent;
  return (await firstWithin(db, reach, project.id)) === undefined ? noProject(slug) : absent;
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
  const absent = refuse('CONSUMER_NOT_FOUND', `There is no consumer ${id}.`, 'id');
  const consumer = await findConsumer(db, id);
  if (consumer === undefined) return absent;
  return (await allowInto(db, principal, action, reach, consumer.project_id, absent)) ?? { consumer, reach };
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
  if (holdsWhole(reach, project.id)) return { projects: [project.id], environments: [] };
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
