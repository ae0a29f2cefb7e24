import { isRefusal } from '@keyhold/protocol/errors';
import * as operations from '@keyhold/protocol/operations/custom-roles';
import type { FastifyInstance } from 'fastify';
import type { Kysely } from 'kysely';
import type { CustomRoleRow } from '../database/people-rows.ts';
import type { Database } from '../database/schema.ts';
import type { Cursors } from '../http/cursor.ts';
import { type Gate, mount } from '../http/mount.ts';
import { pageOf } from '../http/page.ts';
import type { ChangeContext } from './change-context.ts';
import { listCustomRoles } from './custom-roles.store.ts';
import { allowOnInstallation } from './locate.ts';
import type { Principal } from './principal.ts';
import { addsActions, removeCustomRole, saveCustomRole } from './save-custom-role.ts';

export interface CustomRoleRoutes {
  readonly gate: Gate<Principal>;
  readonly context: ChangeContext;
  readonly reader: Kysely<Database>;
  readonly cursors: Cursors;
}

/** Roles that people make. */
export function mountCustomRoles(app: FastifyInstance, { gate, context, reader, cursors }: CustomRoleRoutes): void {
  const reading = { ...context, reader };

  mount(app, gate, operations.listCustomRoles, async ({ principal, query }) => {
    const denied = allowOnInstallation(principal, 'custom-roles.read');
    if (denied !== null) return denied;
    const page = { list: operations.listCustomRoles.id, principal: principal.id, query };
    const load = (after: string | undefined, limit: number) => listCustomRoles(reader, after, limit);
    const found = await pageOf(
      cursors,
      page,
      load,
      ({ id }) => id,
      (rows) => rows.map(showCustomRole),
    );
    return isRefusal(found) ? found : { body: found };
  });

  mount(app, gate, operations.saveCustomRole, async ({ principal, params, body, ip, idempotency, confirm }) => {
    const input = { ...params, ...body };
    const adds = await addsActions(reader, input);
    const denied = allowOnInstallation(principal, 'custom-roles.change', { narrows: !adds }) ?? (await confirm());
    if (denied !== null) return denied;
    const saved = await saveCustomRole(reading, { principal, ip, idempotency }, input, adds);
    if (isRefusal(saved)) return saved;
    return { body: { role: showCustomRole(saved.value) }, sequence: saved.sequence };
  });

  mount(app, gate, operations.removeCustomRole, async ({ principal, params, ip, idempotency }) => {
    const denied = allowOnInstallation(principal, 'custom-roles.change', { narrows: true });
    if (denied !== null) return denied;
    const removed = await removeCustomRole(reading, { principal, ip, idempotency }, params.name);
    return isRefusal(removed) ? removed : { body: { name: params.name }, sequence: removed.sequence };
  });
}

function showCustomRole({ id, name, actions, about, created_at, saved_at }: CustomRoleRow) {
  const [createdAt, savedAt] = [new Date(created_at).toISOString(), new Date(saved_at).toISOString()];
  return { id, name, actions: JSON.parse(actions) as string[], about, createdAt, savedAt };
}
