import { isRefusal } from '@keyhold/protocol/errors';
import * as operations from '@keyhold/protocol/operations/secrets';
import type { FastifyInstance } from 'fastify';
import { findRounded } from '../http/json-body.ts';
import { mount } from '../http/mount.ts';
import { pageOf } from '../http/page.ts';
import { openEnvironment } from '../projects/locate.ts';
import type { Routes } from '../projects/projects.routes.ts';
import type { Vault } from '../vault/vault.ts';
import { changeVersions, type VersionChange } from './change-versions.ts';
import { listVisible, openSecret } from './open-secret.ts';
import { removeSecret } from './remove-secret.ts';
import { showSecret, showVersion } from './secret-record.ts';
import { listVersions } from './secrets.store.ts';
import { storeSecret } from './store-secret.ts';
import { updateSecret } from './update-secret.ts';

export interface SecretRoutes extends Routes {
  readonly vault: Vault;
}

export function mountSecrets(app: FastifyInstance, routes: SecretRoutes): void {
  const { gate, reader, cursors, vault } = routes;
  mountStore(app, routes);

  mount(app, gate, operations.listSecrets, async ({ principal, query }) => {
    const place = await openEnvironment(reader, principal, 'secrets.read', query.project, query.environment);
    if (isRefusal(place)) return place;
    const filter = { environment: place.environment.id, prefix: query.prefix };
    const page = { list: operations.listSecrets.id, principal: principal.id, query };
    const load = (after: string | undefined, limit: number) =>
      listVisible(reader, principal, { ...filter, after, limit });
    const found = await pageOf(
      cursors,
      page,
      load,
      ({ path }) => path,
      (rows) => rows.map((row) => showSecret(row, row)),
    );
    return isRefusal(found) ? found : { body: found };
  });

  mount(app, gate, operations.getSecret, async ({ principal, params }) => {
    const secret = await openSecret(reader, principal, 'secrets.read', params.id);
    return isRefusal(secret) ? secret : { body: showSecret(secret, secret) };
  });

  mount(app, gate, operations.listSecretVersions, async ({ principal, params, query }) => {
    const secret = await openSecret(reader, principal, 'secrets.read', params.id);
    if (isRefusal(secret)) return secret;
    const list = `${operations.listSecretVersions.id} ${secret.id}`;
    const found = await pageOf(
      cursors,
      { list, principal: principal.id, query },
      (before, limit) => listVersions(reader, secret.id, before === undefined ? undefined : Number(before), limit),
      ({ version }) => String(version),
      (rows) => rows.map((row) => showVersion(row, vault.clock.wall())),
    );
    return isRefusal(found) ? found : { body: found };
  });

  mount(app, gate, operations.updateSecret, async ({ principal, params, body, ip, idempotency }) => {
    const secret = await openSecret(reader, principal, 'secrets.write', params.id);
    if (isRefusal(secret)) return secret;
    const updated = await updateSecret(vault, { principal, ip, idempotency }, secret, body);
    return isRefusal(updated) ? updated : { body: updated.value, sequence: updated.sequence };
  });

  mount(app, gate, operations.removeSecret, async ({ principal, params, ip, idempotency }) => {
    const secret = await openSecret(reader, principal, 'secrets.destroy', params.id);
    if (isRefusal(secret)) return secret;
    const removed = await removeSecret(vault, { principal, ip, idempotency }, secret);
    if (isRefusal(removed)) return removed;
    const { sequence, ...shown } = removed;
    return { body: shown, sequence };
  });

  const mountChange = (operation: typeof operations.deleteSecretVersions, change: VersionChange) =>
    mount(app, gate, operation, async ({ principal, params, body, ip, idempotency }) => {
      const action = change === 'destroy' ? 'secrets.destroy' : 'secrets.write';
      const secret = await openSecret(reader, principal, action, params.id);
      if (isRefusal(secret)) return secret;
      const changed = await changeVersions(vault, { principal, ip, idempotency }, secret, change, body.versions);
      if (isRefusal(changed)) return changed;
      const { sequence, ...shown } = changed;
      return { body: shown, sequence };
    });
  mountChange(operations.deleteSecretVersions, 'delete');
  mountChange(operations.undeleteSecretVersions, 'undelete');
  mountChange(operations.destroySecretVersions, 'destroy');
}

function mountStore(app: FastifyInstance, { gate, reader, vault }: SecretRoutes): void {
  mount(app, gate, operations.storeSecret, async ({ principal, body, ip, idempotency }) => {
    const { project, environment, ...input } = body;
    const place = await openEnvironment(reader, principal, 'secrets.write', project, environment, {
      secret: body.path,
    });
    if (isRefusal(place)) return place;
    const lost = findRounded(body, 'data');
    if (lost !== undefined) return lost;
    const stored = await storeSecret(vault, { principal, ip, idempotency }, place, input);
    return isRefusal(stored) ? stored : { body: stored.value, repeated: stored.repeated, sequence: stored.sequence };
  });
}
