import { refuseUnseen } from './refuse-unseen.ts';
import { isRefusal } from '@keyhold/protocol/errors';
import * as operations from '@keyhold/protocol/operations/workloads';
import type { FastifyInstance } from 'fastify';
import { mount } from '../http/mount.ts';
import { pageOf } from '../http/page.ts';
import type { WorkloadRow } from '../database/workload-rows.ts';
import { createWorkload } from './create-workload.ts';
import { allowOnInstallation } from './locate.ts';
import { noWorkload, removeWorkload } from './remove-workload.ts';
import { readBinding } from './token.ts';
import type { TokenRoutes } from './tokens.routes.ts';
import { showWorkload } from './workload.ts';
import { findWorkload, listWorkloads } from './workloads.store.ts';

/** Workloads: trusting an issuer is of the installation as a whole. */
export function mountWorkloads(
  app: FastifyInstance,
  { gate, context, reader, cursors, places, tokenRevoked }: TokenRoutes,
): void {
  const show = async (rows: readonly WorkloadRow[]) => {
    const names = await places.names(rows);
    return rows.map((row) => showWorkload(row, names));
  };

  mount(app, gate, operations.createWorkload, async ({ principal, body, ip, idempotency, confirm }) => {
    const denied = allowOnInstallation(principal, 'workloads.create');
    if (denied !== null) return denied;
    const binding = await readBinding(places, principal, body);
    if (isRefusal(binding)) return binding;
    const refused = refuseUnseen(principal, body.scopes, binding.at) ?? (await confirm());
    if (refused !== null) return refused;
    const { name, issuer, audience = null, jwksUri = null, claims, scopes, ttlSeconds = 900 } = body;
    const input = { name, issuer, audience, jwksUri, claims, scopes, ...binding, ttlSeconds };
    const created = await createWorkload(context, { principal, ip, idempotency }, input);
    if (isRefusal(created)) return created;
    const [workload] = await show([created.value]);
    if (workload === undefined) return noWorkload(created.value.id);
    return { body: { workload }, repeated: created.repeated, sequence: created.sequence };
  });

  mount(app, gate, operations.listWorkloads, async ({ principal, query }) => {
    const denied = allowOnInstallation(principal, 'workloads.read');
    if (denied !== null) return denied;
    const page = { list: operations.listWorkloads.id, principal: principal.id, query };
    const load = (after: string | undefined, limit: number) => listWorkloads(reader, after, limit);
    const found = await pageOf(cursors, page, load, ({ id }) => id, show);
    return isRefusal(found) ? found : { body: found };
  });

  mount(app, gate, operations.removeWorkload, async ({ principal, params, ip, idempotency }) => {
    const denied = allowOnInstallation(principal, 'workloads.remove');
    if (denied !== null) return denied;
    if ((await findWorkload(reader, params.id)) === undefined) return noWorkload(params.id);
    const removed = await removeWorkload({ ...context, reader }, { principal, ip, idempotency }, params.id);
    if (isRefusal(removed)) return removed;
    await tokenRevoked();
    const { tokensRevoked, barrier } = removed;
    const [workload] = await show([removed.workload]);
    if (workload === undefined) return noWorkload(params.id);
    return { body: { workload, tokensRevoked, barrier }, sequence: barrier.sequence };
  });
}
