import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import * as operations from '@keyhold/protocol/operations/keys';
import type { FastifyInstance } from 'fastify';
import type { Action } from '../access/authorise.ts';
import type { Caller } from '../access/change-context.ts';
import { allow, allowOnInstallation } from '../access/locate.ts';
import type { Principal } from '../access/principal.ts';
import { isKnownToLedger, withdrawMissing } from '../access/withdraw-missing.ts';
import type { CredentialRow } from '../database/schema.ts';
import { mount } from '../http/mount.ts';
import { pageOf } from '../http/page.ts';
import { openEnvironment } from '../projects/locate.ts';
import { type Routes, visibleProjects } from '../projects/projects.routes.ts';
import { expose } from '../vault/expose.ts';
import { destroyKey, resumeKey, revokeCredential, revokeKey, suspendKey } from './change-key-state.ts';
import { issueKey } from './issue-key.ts';
import { findCredential, findPlacedKey, listKeys, type PlacedKey } from './keys.store.ts';
import { rotateKey } from './rotate-key.ts';
import { updateKey } from './update-key.ts';
import { viewKeys } from './view-key.ts';

export function mountKeys(app: FastifyInstance, { gate, context, reader, cursors }: Routes): void {
  const open = async (principal: Principal, action: Action, id: string): Promise<PlacedKey | Refusal> => {
    const absent = refuse('KEY_NOT_FOUND', `There is no key ${id}.`, 'id');
    const key = await findPlacedKey(reader, id);
    if (key === undefined) return allow(principal, action, absent) ?? absent;
    const resource = { project: key.project_id, environment: key.environment_id };
    return allow(principal, action, { resource, absent }) ?? key;
  };

  mount(app, gate, operations.issueKey, async ({ principal, body, ip, idempotency }) => {
    const { project, environment, ...input } = body;
    const place = await openEnvironment(reader, principal, 'keys.issue', project, environment);
    if (isRefusal(place)) return place;
    const issued = await issueKey(context, { principal, ip, idempotency }, place, input);
    if (isRefusal(issued)) return issued;
    const { key, credential, secret } = issued.value;
    if (issued.repeated) return { body: { key, credential, secretShown: true as const }, repeated: true };
    return { body: { key, credential, secret: expose(secret) } };
  });

  mount(app, gate, operations.listKeys, async ({ principal, query }) => {
    const filter = await filterFor(principal, query.project, query.environment);
    if (isRefusal(filter)) return filter;
    const { consumer, state, q } = query;
    const nowMs = context.clock.wall();
    const load = (after: string | undefined, limit: number) =>
      listKeys(reader, { ...filter, consumer, state, q, after, limit, nowMs });
    const page = { list: operations.listKeys.id, principal: principal.id, query };
    const found = await pageOf(cursors, page, load, ({ id }) => id, (rows) => viewKeys(reader, rows, nowMs));
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
    const key = await open(principal, 'keys.read', params.id);
    if (isRefusal(key)) return key;
    const [view] = await viewKeys(reader, [key], context.clock.wall());
    return view === undefined ? refuse('KEY_NOT_FOUND', 'It is gone.') : { body: view };
  });

  mount(app, gate, operations.updateKey, async ({ principal, params, body, ip, idempotency }) => {
    const key = await open(principal, 'keys.change', params.id);
    if (isRefusal(key)) return key;
    const updated = await updateKey(context, { principal, ip, idempotency }, key, body);
    return isRefusal(updated) ? updated : { body: updated };
  });

  mount(app, gate, operations.rotateKey, async ({ principal, params, body, ip, idempotency }) => {
    const key = await open(principal, 'keys.rotate', params.id);
    if (isRefusal(key)) return key;
    const caller = { principal, ip, idempotency };
    const rotated = await rotateKey(context, caller, key, body.overlapSeconds);
    if (isRefusal(rotated)) return rotated;
    const { credential, secret, previous } = rotated.value;
    const barrier = rotated.barrier === undefined ? {} : { barrier: rotated.barrier };
    if (rotated.repeated) {
      return { body: { credential, previous, secretShown: true as const, ...barrier }, repeated: true };
    }
    return { body: { credential, secret: expose(secret), previous, ...barrier } };
  });

  mount(app, gate, operations.suspendKey, async ({ principal, params, ip, idempotency }) => {
    const key = await open(principal, 'keys.suspend', params.id);
    if (isRefusal(key)) return key;
    const suspended = await suspendKey(context, { principal, ip, idempotency }, key);
    return isRefusal(suspended) ? suspended : { body: suspended };
  });

  mount(app, gate, operations.resumeKey, async ({ principal, params, ip, idempotency }) => {
    const key = await open(principal, 'keys.resume', params.id);
    if (isRefusal(key)) return key;
    const resumed = await resumeKey(context, { principal, ip, idempotency }, key);
    return isRefusal(resumed) ? resumed : { body: resumed };
  });

  /** A key whose row was deleted past the ledger can be ended by who may end any key. */
  const openForTakingAway = async (principal: Principal, action: Action, caller: Caller, id: string) => {
    const key = await open(principal, action, id);
    if (!isRefusal(key) || key.refused !== 'KEY_NOT_FOUND' || !(await isKnownToLedger(reader, id))) return key;
    const denied = allowOnInstallation(principal, action);
    return denied === null ? await withdrawMissing(context, caller, 'keys', id, key) : key;
  };

  mount(app, gate, operations.revokeKey, async ({ principal, params, body, ip, idempotency }) => {
    const key = await openForTakingAway(principal, 'keys.revoke', { principal, ip, idempotency }, params.id);
    if (isRefusal(key)) return key;
    const revoked = await revokeKey(context, { principal, ip, idempotency }, key, body.reason);
    return isRefusal(revoked) ? revoked : { body: revoked };
  });

  mount(app, gate, operations.destroyKey, async ({ principal, params, ip, idempotency }) => {
    const key = await openForTakingAway(principal, 'keys.destroy', { principal, ip, idempotency }, params.id);
    if (isRefusal(key)) return key;
    const destroyed = await destroyKey(context, { principal, ip, idempotency }, key);
    return isRefusal(destroyed) ? destroyed : { body: destroyed };
  });

  mount(app, gate, operations.revokeCredential, async ({ principal, params, body, ip, idempotency }) => {
    const absent = refuse('CREDENTIAL_NOT_FOUND', `There is no credential ${params.id}.`, 'id');
    const credential = await findCredential(reader, params.id);
    const denied = allow(principal, 'keys.revoke', credential === undefined ? absent : locate(credential, absent));
    if (credential === undefined && (await isKnownToLedger(reader, params.id))) {
      const barred = allowOnInstallation(principal, 'keys.revoke');
      return barred ?? (await withdrawMissing(context, { principal, ip, idempotency }, 'credentials', params.id, absent));
    }
    if (denied !== null || credential === undefined) return denied ?? absent;
    const revoked = await revokeCredential(context, { principal, ip, idempotency }, credential, body.reason);
    return isRefusal(revoked) ? revoked : { body: revoked };
  });
}

function locate({ project_id, environment_id }: CredentialRow, absent: Refusal) {
  return { resource: { project: project_id, environment: environment_id }, absent };
}
