import { isRefusal, refuse } from '@keyhold/protocol/errors';
import * as operations from '@keyhold/protocol/operations/projects';
import type { FastifyInstance } from 'fastify';
import type { Kysely } from 'kysely';
import type { ChangeContext } from '../access/change-context.ts';
import { allowAt, allowOnInstallation, noteShown } from '../access/locate.ts';
import type { Principal } from '../access/principal.ts';
import type { Database, EnvironmentRow } from '../database/schema.ts';
import type { Cursors } from '../http/cursor.ts';
import { type Gate, mount } from '../http/mount.ts';
import { pageOf } from '../http/page.ts';
import { confirmInProduction } from './confirm-in-production.ts';
import { createConsumer } from './create-consumer.ts';
import { createEnvironment } from './create-environment.ts';
import { createProject } from './create-project.ts';
import { openConsumer, openEnvironment, openProject, visiblePlaces, visibleProjects } from './locate.ts';
import { loosensSetting } from './loosening.ts';
import { showConsumer, showEnvironment, showProject, showSetting } from './project.ts';
import { findSetting, listConsumers, listEnvironments, listProjects, listSettings } from './projects.store.ts';
import { setPermission } from './set-permission.ts';

export interface Routes {
  readonly gate: Gate<Principal>;
  readonly context: ChangeContext;
  readonly reader: Kysely<Database>;
  readonly cursors: Cursors;
}

export function mountProjects(app: FastifyInstance, routes: Routes): void {
  const { gate, context, reader, cursors } = routes;

  mount(app, gate, operations.createProject, async ({ principal, body, ip, idempotency }) => {
    const denied = allowOnInstallation(principal, 'projects.create');
    if (denied !== null) return denied;
    const created = await createProject(context, { principal, ip, idempotency }, body);
    if (isRefusal(created)) return created;
    return { body: created.value, repeated: created.repeated, sequence: created.sequence };
  });

  mount(app, gate, operations.listProjects, async ({ principal, query }) => {
    const visible = await visibleProjects(reader, principal, 'projects.read', undefined);
    if (isRefusal(visible)) return visible;
    const page = { list: operations.listProjects.id, principal: principal.id, query };
    const load = (after: string | undefined, limit: number) => listProjects(reader, visible, after, limit);
    const found = await pageOf(
      cursors,
      page,
      load,
      ({ id }) => id,
      (rows) => {
        noteShown(principal, 'projects.read', rows.map(wholeOf));
        return rows.map(showProject);
      },
    );
    return isRefusal(found) ? found : { body: found };
  });
}

export function mountEnvironments(app: FastifyInstance, { gate, context, reader, cursors }: Routes): void {
  mount(app, gate, operations.createEnvironment, async ({ principal, params, body, ip, idempotency }) => {
    const opened = await openProject(reader, principal, 'environments.create', params.slug);
    if (isRefusal(opened)) return opened;
    const { project } = opened;
    const absent = refuse('FORBIDDEN', 'You are bound to an environment of it.');
    const resource = { project: project.id, environment: null };
    const denied = allowAt(principal, 'environments.create', { resource, absent });
    if (denied !== null) return denied;
    const created = await createEnvironment(context, { principal, ip, idempotency }, project, body);
    if (isRefusal(created)) return created;
    return { body: created.value, repeated: created.repeated, sequence: created.sequence };
  });

  mount(app, gate, operations.listEnvironments, async ({ principal, params, query }) => {
    const visible = await visiblePlaces(reader, principal, 'environments.read', params.slug);
    if (isRefusal(visible)) return visible;
    const page = { list: `${operations.listEnvironments.id} ${params.slug}`, principal: principal.id, query };
    const { projects, environments: ids } = visible;
    const places = projects !== null && projects.length > 0 ? { projects } : { ids };
    const load = (after: string | undefined, limit: number) => listEnvironments(reader, { ...places, after, limit });
    const show = (rows: Awaited<ReturnType<typeof load>>) => {
      const shown = rows.map(({ id, project_id: project }) => ({ project, environment: id }));
      noteShown(principal, 'environments.read', shown);
      return rows.map((row) => showEnvironment(row, row.slug));
    };
    const found = await pageOf(
      cursors,
      page,
      load,
      ({ id }) => id,
      (rows) => show([...rows]),
    );
    return isRefusal(found) ? found : { body: found };
  });

  mount(app, gate, operations.setPermission, async ({ principal, params, body, ip, idempotency, confirm }) => {
    const { confirm: confirmed = null, audit = null } = body;
    let loosens = true;
    const narrows = async ({ id }: EnvironmentRow) => {
      loosens = loosensSetting(await findSetting(reader, id, params.permission), { confirm: confirmed, audit });
      return !loosens;
    };
    const place = await openEnvironment(reader, principal, 'permissions.set', params.slug, params.name, { narrows });
    if (isRefusal(place)) return place;
    const unconfirmed = await confirmInProduction(reader, { principal, confirm }, place.environment.id);
    if (unconfirmed !== null) return unconfirmed;
    const setting = { permission: params.permission, ...body };
    const set = await setPermission(context, { principal, ip, idempotency }, place.environment, setting, loosens);
    if (isRefusal(set)) return set;
    const { sequence, ...shown } = set;
    return { body: shown, sequence };
  });

  mount(app, gate, operations.listPermissions, async ({ principal, params, query }) => {
    const place = await openEnvironment(reader, principal, 'permissions.read', params.slug, params.name);
    if (isRefusal(place)) return place;
    const list = `${operations.listPermissions.id} ${place.environment.id}`;
    const load = (after: string | undefined, limit: number) => listSettings(reader, place.environment.id, after, limit);
    const page = { list, principal: principal.id, query };
    const found = await pageOf(
      cursors,
      page,
      load,
      ({ id }) => id,
      (rows) => rows.map(showSetting),
    );
    return isRefusal(found) ? found : { body: found };
  });
}

export function mountConsumers(app: FastifyInstance, { gate, context, reader, cursors }: Routes): void {
  mount(app, gate, operations.createConsumer, async ({ principal, body, ip, idempotency }) => {
    const opened = await openProject(reader, principal, 'consumers.create', body.project);
    if (isRefusal(opened)) return opened;
    const created = await createConsumer(context, { principal, ip, idempotency }, opened.project, body);
    if (isRefusal(created)) return created;
    return { body: created.value, repeated: created.repeated, sequence: created.sequence };
  });

  mount(app, gate, operations.listConsumers, async ({ principal, query }) => {
    const projects = await visibleProjects(reader, principal, 'consumers.read', query.project);
    if (isRefusal(projects)) return projects;
    const load = (after: string | undefined, limit: number) =>
      listConsumers(reader, { projects, q: query.q, after, limit });
    const show = (rows: Awaited<ReturnType<typeof load>>) => {
      const shown = rows.map(({ project_id: project }) => ({ project, environment: null }));
      noteShown(principal, 'consumers.read', shown);
      return rows.map((row) => showConsumer(row, row.slug));
    };
    const page = { list: operations.listConsumers.id, principal: principal.id, query };
    const found = await pageOf(
      cursors,
      page,
      load,
      ({ id }) => id,
      (rows) => show([...rows]),
    );
    return isRefusal(found) ? found : { body: found };
  });

  mount(app, gate, operations.getConsumer, async ({ principal, params }) => {
    const opened = await openConsumer(reader, principal, 'consumers.read', params.id);
    if (isRefusal(opened)) return opened;
    const { consumer } = opened;
    const [project] = await listProjects(reader, [consumer.project_id], undefined, 1);
    return { body: showConsumer(consumer, project?.slug ?? consumer.project_id) };
  });
}

function wholeOf({ id }: { readonly id: string }) {
  return { project: id, environment: null };
}
