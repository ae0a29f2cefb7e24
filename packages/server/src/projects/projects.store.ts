import { compiledOnce } from '../database/compiled.ts';
import { run } from '../database/run.ts';
import type { Kysely } from 'kysely';
import type {
  ConsumerRow,
  Database,
  EnvironmentRow,
  KeyRulesRow,
  PermissionSettingRow,
  ProjectRow,
  SigningSettingsRow,
} from '../database/schema.ts';

type Db = Kysely<Database>;

export async function findProject(db: Db, slug: string): Promise<ProjectRow | undefined> {
  const query = compiledOnce(db, 'project by slug', [slug], () =>
    db.selectFrom('projects').selectAll().where('slug', '=', slug).compile(),
  );
  return (await run(db, query))[0];
}

/** Oldest first; `ids` null for all. */
export async function listProjects(
  db: Db,
  ids: readonly string[] | null,
  after: string | undefined,
  limit: number,
): Promise<ProjectRow[]> {
  if (ids?.length === 0) return [];
  let query = db.selectFrom('projects').selectAll().orderBy('id').limit(limit);
  if (ids !== null) query = query.where('id', 'in', [...ids]);
  if (after !== undefined) query = query.where('id', '>', after);
  return await query.execute();
}

export async function findEnvironment(db: Db, projectId: string, name: string): Promise<EnvironmentRow | undefined> {
  const query = compiledOnce(db, 'environment by name', [projectId, name], () =>
    db.selectFrom('environments').selectAll().where('project_id', '=', projectId).where('name', '=', name).compile(),
  );
  return (await run(db, query))[0];
}

export async function findEnvironmentByPrefix(db: Db, prefix: string): Promise<EnvironmentRow | undefined> {
  return await db.selectFrom('environments').selectAll().where('prefix', '=', prefix).executeTakeFirst();
}

/** Those of these ids that there are; of one project, where it is named. */
export async function environmentsAmong(
  db: Db,
  ids: readonly string[],
  projectId?: string,
): Promise<Pick<EnvironmentRow, 'id' | 'project_id'>[]> {
  if (ids.length === 0) return [];
  const found = db
    .selectFrom('environments')
    .select(['id', 'project_id'])
    .where('id', 'in', [...ids]);
  return await (projectId === undefined ? found : found.where('project_id', '=', projectId)).execute();
}

/** Ids of a project's environments. */
export async function environmentsOf(db: Db, projectId: string): Promise<string[]> {
  const rows = await db.selectFrom('environments').select('id').where('project_id', '=', projectId).execute();
  return rows.map(({ id }) => id);
}

/** Environments with their project's slug, by any of project, ids and place in the list. */
export async function listEnvironments(
  db: Db,
  filter: { projects?: readonly string[]; ids?: readonly string[]; after?: string | undefined; limit?: number },
): Promise<(EnvironmentRow & { slug: string })[]> {
  if (filter.projects?.length === 0 || filter.ids?.length === 0) return [];
  let query = db
    .selectFrom('environments')
    .innerJoin('projects', 'projects.id', 'environments.project_id')
    .selectAll('environments')
    .select('projects.slug')
    .orderBy('environments.id');
  if (filter.projects !== undefined) query = query.where('environments.project_id', 'in', [...filter.projects]);
  if (filter.ids !== undefined) query = query.where('environments.id', 'in', [...filter.ids]);
  if (filter.after !== undefined) query = query.where('environments.id', '>', filter.after);
  if (filter.limit !== undefined) query = query.limit(filter.limit);
  return await query.execute();
}

export async function findSetting(
  db: Db,
  environmentId: string,
  permission: string,
): Promise<PermissionSettingRow | undefined> {
  return await db
    .selectFrom('permission_settings')
    .selectAll()
    .where('environment_id', '=', environmentId)
    .where('permission', '=', permission)
    .executeTakeFirst();
}

export async function listSettings(
  db: Db,
  environmentId: string,
  after: string | undefined,
  limit: number,
): Promise<PermissionSettingRow[]> {
  let query = db
    .selectFrom('permission_settings')
    .selectAll()
    .where('environment_id', '=', environmentId)
    .orderBy('id')
    .limit(limit);
  if (after !== undefined) query = query.where('id', '>', after);
  return await query.execute();
}

export async function findSigning(db: Db, environmentId: string): Promise<SigningSettingsRow | undefined> {
  return await db
    .selectFrom('signing_settings')
    .selectAll()
    .where('environment_id', '=', environmentId)
    .executeTakeFirst();
}

/** Ids of environments whose verifiers remember each by itself what was used, in order. */
export async function environmentsGuardedAlone(db: Db): Promise<string[]> {
  const guarded = db.selectFrom('signing_settings').select('environment_id').where('replay', '=', 'verifier');
  return (await guarded.orderBy('environment_id').execute()).map(({ environment_id }) => environment_id);
}

/** Compiled once: each issue of a key asks. */
export async function findRules(db: Db, environmentId: string): Promise<KeyRulesRow | undefined> {
  const query = compiledOnce(db, 'rules of an environment', [environmentId], () =>
    db.selectFrom('key_rules').selectAll().where('environment_id', '=', '').compile(),
  );
  return (await run(db, query))[0];
}

export async function findConsumer(db: Db, id: string): Promise<ConsumerRow | undefined> {
  return await db.selectFrom('consumers').selectAll().where('id', '=', id).executeTakeFirst();
}

export async function findConsumerByExternalId(
  db: Db,
  projectId: string,
  externalId: string,
): Promise<ConsumerRow | undefined> {
  return await db
    .selectFrom('consumers')
    .selectAll()
    .where('project_id', '=', projectId)
    .where('external_id', '=', externalId)
    .executeTakeFirst();
}

/** Newest first, with the project's slug. */
export async function listConsumers(
  db: Db,
  filter: { projects: readonly string[] | null; q?: string | undefined; after?: string | undefined; limit: number },
): Promise<(ConsumerRow & { slug: string })[]> {
  if (filter.projects?.length === 0) return [];
  let query = db
    .selectFrom('consumers')
    .innerJoin('projects', 'projects.id', 'consumers.project_id')
    .selectAll('consumers')
    .select('projects.slug')
    .orderBy('consumers.id', 'desc')
    .limit(filter.limit);
  if (filter.projects !== null) query = query.where('consumers.project_id', 'in', [...filter.projects]);
  if (filter.after !== undefined) query = query.where('consumers.id', '<', filter.after);
  if (filter.q !== undefined) {
    const part = likePart(filter.q);
    query = query.where(({ or, eb, fn, val }) =>
      or([
        eb(fn('lower', ['consumers.name']), 'like', fn('lower', [val(part)])),
        eb(fn('lower', ['consumers.external_id']), 'like', fn('lower', [val(part)])),
      ]),
    );
  }
  return await query.execute();
}

/** A LIKE pattern for "contains"; wildcards in the text lose their meaning by becoming "any character". */
export function likePart(text: string): string {
  return `%${text.replace(/[%\\]/g, '_')}%`;
}

/** Slug of its project and name, or nothing. */
export async function findEnvironmentNames(db: Db, id: string): Promise<string[]> {
  const [found] = await listEnvironments(db, { ids: [id] });
  return found === undefined ? [] : [found.slug, found.name];
}
