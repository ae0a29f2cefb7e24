import { isRefusal } from '@keyhold/protocol/errors';
import type { Rotation } from '@keyhold/protocol/operations/vault';
import * as operations from '@keyhold/protocol/operations/vault';
import type { FastifyInstance } from 'fastify';
import { attribution } from '../access/change-context.ts';
import { allowOnInstallation } from '../access/locate.ts';
import type { EnvironmentRow, ProjectRow } from '../database/schema.ts';
import { mount } from '../http/mount.ts';
import { openEnvironment } from '../projects/locate.ts';
import { countByKey, countStaleKeys, countStaleRows, listVaultKeys } from '../vault/rewrap.store.ts';
import type { Rewrapper } from '../vault/rewrapper.ts';
import { readRootVersion } from '../vault/seals.store.ts';
import { rotateEnvironmentKeys, rotateRootKey } from '../vault/rotate-keys.ts';
import type { SecretRoutes } from './secrets.routes.ts';

export interface KeyRotationRoutes extends SecretRoutes {
  readonly rewrapper: Rewrapper;
}

export function mountKeyRotation(app: FastifyInstance, { gate, reader, vault, rewrapper }: KeyRotationRoutes): void {
  const show = async (project: ProjectRow, environment: EnvironmentRow): Promise<Rotation> => {
    const keys = await listVaultKeys(reader, environment.id);
    const counts = await countByKey(reader, environment.id);
    const newestOf = new Map(keys.map(({ purpose, id }) => [purpose, id]));
    const shown = keys.map(({ id, purpose, version, root_version, created_at }) => ({
      id,
      project: project.slug,
      environment: environment.name,
      purpose,
      version,
      rootVersion: root_version,
      newest: newestOf.get(purpose) === id,
      rows: counts.get(id) ?? 0,
      createdAt: new Date(created_at).toISOString(),
    }));
    const rootVersion = vault.keyring.unsealed?.root.version ?? null;
    const current = await readRootVersion(reader);
    const staleKeys = keys.filter(({ root_version }) => root_version < current).length;
    return { rootVersion, pending: staleKeys + (await countStaleRows(reader, environment.id)), keys: shown };
  };

  mount(app, gate, operations.getRotation, async ({ principal, query }) => {
    const place = await openEnvironment(reader, principal, 'vault-keys.read', query.project, query.environment);
    return isRefusal(place) ? place : { body: await show(place.project, place.environment) };
  });

  mount(app, gate, operations.rotateEnvironmentKeys, async ({ principal, body, ip, idempotency }) => {
    const place = await openEnvironment(reader, principal, 'vault-keys.rotate', body.project, body.environment);
    if (isRefusal(place)) return place;
    const inEnvironment = { project_id: place.project.id, environment_id: place.environment.id };
    const sequence = await rotateEnvironmentKeys(vault, attribution({ principal, ip, idempotency }), inEnvironment);
    if (isRefusal(sequence)) return sequence;
    rewrapper.kick();
    return { body: await show(place.project, place.environment), sequence };
  });

  mount(app, gate, operations.rotateRootKey, async ({ principal, ip, idempotency, confirm }) => {
    const denied = allowOnInstallation(principal, 'vault-keys.rotate') ?? (await confirm());
    if (denied !== null) return denied;
    const rotated = await rotateRootKey(vault, attribution({ principal, ip, idempotency }));
    if (isRefusal(rotated)) return rotated;
    rewrapper.kick();
    const { version, sequence } = rotated;
    return { body: { rootVersion: version, pending: await countStaleKeys(reader, version) }, sequence };
  });
}
