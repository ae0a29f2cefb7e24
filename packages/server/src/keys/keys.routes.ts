import { isRefusal, refuse } from '@keyhold/protocol/errors';
import * as operations from '@keyhold/protocol/operations/keys';
import type { FastifyInstance } from 'fastify';
import type { Principal } from '../access/principal.ts';
import type { DeliverTo } from '@keyhold/protocol/operations/deliveries';
import { describeWay, prepareWay } from '../delivery/deliver.ts';
import { showDelivery } from '../delivery/delivery.routes.ts';
import { mount } from '../http/mount.ts';
import { pageOf } from '../http/page.ts';
import { openEnvironment } from '../projects/locate.ts';
import { type Routes, visibleProjects } from '../projects/projects.routes.ts';
import { expose } from '../vault/expose.ts';
import type { Vault } from '../vault/vault.ts';
import { issueKey } from './issue-key.ts';
import { listKeys } from './keys.store.ts';
import { openKey } from './open-key.ts';
import { rotateKey } from './rotate-key.ts';
import { updateKey } from './update-key.ts';
import { viewKeys } from './view-key.ts';

export interface KeyRoutes extends Routes {
  readonly vault: Vault;
}

export function mountKeys(app: FastifyInstance, { gate, context, reader, cursors, vault }: KeyRoutes): void {
  mount(app, gate, operations.issueKey, async ({ principal, body, ip, idempotency }) => {
    const { project, environment, deliverTo, ...input } = body;
    const place = await openEnvironment(reader, principal, 'keys.issue', project, environment);
    if (isRefusal(place)) return place;
    const way = await wayFor(vault, place.project.id, place.environment.id, deliverTo);
    if (isRefusal(way)) return way;
    const issued = await issueKey(context, { principal, ip, idempotency }, place, input, way);
    if (isRefusal(issued)) return issued;
    const { value, sequence } = issued;
    const { key, credential, secret } = value;
    if (issued.repeated) return { body: { key, credential, secretShown: true as const }, repeated: true, sequence };
    if (way === undefined) return { body: { key, credential, secret: expose(secret) }, sequence };
    return { body: { key, credential, delivery: await describeWay(way, secret, showDelivery) }, sequence };
  });

  mount(app, gate, operations.listKeys, async ({ principal, query }) => {
    const filter = await filterFor(principal, query.project, query.environment);
    if (isRefusal(filter)) return filter;
    const { consumer, state, q } = query;
    const nowMs = context.clock.wall();
    const load = (after: string | undefined, limit: number) =>
      listKeys(reader, { ...filter, consumer, state, q, after, limit, nowMs });
    const page = { list: operations.listKeys.id, principal: principal.id, query };
    const found = await pageOf(
      cursors,
      page,
      load,
      ({ id }) => id,
      (rows) => viewKeys(reader, rows, nowMs),
    );
    return isRefusal(found) ? found : { body: found };
  });

  const filterFor = async (principal: Principal, project: string | undefined, environment: string | undefined) => {
    if (environment !== undefined) {
      if (project === undefined) return refuse('INVALID_INPUT', 'Name the project too.', 'project');
      const place = await openEnvironment(reader, principal, 'keys.read', project, environment);
      return isRefusal(place) ? place : { projects: [place.project.id], environment: place.environment.id };
    }
    const projects = await visibleProjects(reader, principal, 'keys.read', project);
    return isRefusal(projects) ? projects : { projects, environment: principal.environment };
  };

  mount(app, gate, operations.getKey, async ({ principal, params }) => {
    const key = await openKey(reader, principal, 'keys.read', params.id);
    if (isRefusal(key)) return key;
    const [view] = await viewKeys(reader, [key], context.clock.wall());
    return view === undefined ? refuse('KEY_NOT_FOUND', 'It is gone.') : { body: view };
  });

  mount(app, gate, operations.updateKey, async ({ principal, params, body, ip, idempotency }) => {
    const key = await openKey(reader, principal, 'keys.change', params.id);
    if (isRefusal(key)) return key;
    const updated = await updateKey(context, { principal, ip, idempotency }, key, body);
    if (isRefusal(updated)) return updated;
    const { sequence, ...shown } = updated;
    return { body: shown, sequence };
  });
}

export function mountRotation(app: FastifyInstance, { gate, context, reader, vault }: KeyRoutes): void {
  mount(app, gate, operations.rotateKey, async ({ principal, params, body, ip, idempotency }) => {
    const key = await openKey(reader, principal, 'keys.rotate', params.id);
    if (isRefusal(key)) return key;
    const way = await wayFor(vault, key.project_id, key.environment_id, body.deliverTo);
    if (isRefusal(way)) return way;
    const caller = { principal, ip, idempotency };
    const rotated = await rotateKey(context, caller, key, body.overlapSeconds, way);
    if (isRefusal(rotated)) return rotated;
    const { sequence } = rotated;
    const { credential, secret, previous } = rotated.value;
    const barrier = rotated.barrier === undefined ? {} : { barrier: rotated.barrier };
    if (rotated.repeated) {
      return { body: { credential, previous, secretShown: true as const, ...barrier }, repeated: true, sequence };
    }
    if (way !== undefined) {
      const delivery = await describeWay(way, secret, showDelivery);
      return { body: { credential, delivery, previous, ...barrier }, sequence };
    }
    return { body: { credential, secret: expose(secret), previous, ...barrier }, sequence };
  });
}

async function wayFor(vault: Vault, project_id: string, environment_id: string, to: DeliverTo | undefined) {
  return to === undefined ? undefined : await prepareWay(vault, { project_id, environment_id }, to);
}
