import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import * as operations from '@keyhold/protocol/operations/keys';
import type { FastifyInstance } from 'fastify';
import { allow, allowOnInstallation, reachFor } from '../access/locate.ts';
import { isKnownToLedger, withdrawMissing } from '../access/withdraw-missing.ts';
import type { CredentialRow } from '../database/schema.ts';
import { mount } from '../http/mount.ts';
import { confirmInProduction } from '../projects/confirm-in-production.ts';
import type { Routes } from '../projects/projects.routes.ts';
import { destroyKey, resumeKey, revokeCredential, revokeKey, suspendKey } from './change-key-state.ts';
import { doesMoreThanRead } from './critical.ts';
import { findCredential } from './keys.store.ts';
import { openForTakingAway, openKey } from './open-key.ts';
import { keysOfConsumer, revokeKeys } from './revoke-keys.ts';

/** Suspending, resuming and ending keys and credentials. */
export function mountKeyStates(app: FastifyInstance, routes: Routes): void {
  const { gate, context, reader } = routes;

  mount(app, gate, operations.suspendKey, async ({ principal, params, ip, idempotency }) => {
    const key = await openKey(reader, principal, 'keys.suspend', params.id);
    if (isRefusal(key)) return key;
    const suspended = await suspendKey(context, { principal, ip, idempotency }, key);
    return isRefusal(suspended) ? suspended : { body: suspended, sequence: suspended.barrier.sequence };
  });

  mount(app, gate, operations.resumeKey, async ({ principal, params, ip, idempotency, confirm }) => {
    const key = await openKey(reader, principal, 'keys.resume', params.id);
    if (isRefusal(key)) return key;
    const unconfirmed = doesMoreThanRead(JSON.parse(key.permissions) as string[])
      ? await confirmInProduction(reader, { principal, confirm }, key.environment_id)
      : null;
    if (unconfirmed !== null) return unconfirmed;
    const resumed = await resumeKey(context, { principal, ip, idempotency }, key);
    return isRefusal(resumed) ? resumed : { body: { key: resumed.key }, sequence: resumed.sequence };
  });

  mount(app, gate, operations.revokeKey, async ({ principal, params, body, ip, idempotency }) => {
    const key = await openForTakingAway(routes, 'keys.revoke', { principal, ip, idempotency }, params.id);
    if (isRefusal(key)) return key;
    const revoked = await revokeKey(context, { principal, ip, idempotency }, key, body.reason);
    return isRefusal(revoked) ? revoked : { body: revoked, sequence: revoked.barrier.sequence };
  });

  mountRevokeKeys(app, routes);

  mount(app, gate, operations.destroyKey, async ({ principal, params, ip, idempotency }) => {
    const key = await openForTakingAway(routes, 'keys.destroy', { principal, ip, idempotency }, params.id);
    if (isRefusal(key)) return key;
    const destroyed = await destroyKey(context, { principal, ip, idempotency }, key);
    return isRefusal(destroyed) ? destroyed : { body: destroyed, sequence: destroyed.barrier.sequence };
  });

  mount(app, gate, operations.revokeCredential, async ({ principal, params, body, ip, idempotency }) => {
    const absent = refuse('CREDENTIAL_NOT_FOUND', `There is no credential ${params.id}.`, 'id');
    const credential = await findCredential(reader, params.id);
    const denied = allow(principal, 'keys.revoke', credential === undefined ? absent : locate(credential, absent));
    if (credential === undefined && (await isKnownToLedger(reader, params.id))) {
      const barred = allowOnInstallation(principal, 'keys.revoke');
      return (
        barred ?? (await withdrawMissing(context, { principal, ip, idempotency }, 'credentials', params.id, absent))
      );
    }
    if (denied !== null || credential === undefined) return denied ?? absent;
    const revoked = await revokeCredential(context, { principal, ip, idempotency }, credential, body.reason);
    return isRefusal(revoked) ? revoked : { body: revoked, sequence: revoked.barrier.sequence };
  });
}

function mountRevokeKeys(app: FastifyInstance, routes: Routes): void {
  const { gate, context, reader } = routes;
  mount(app, gate, operations.revokeKeys, async ({ principal, body, ip, confirm }) => {
    const { keys, consumer, reason } = body;
    if ((keys === undefined) === (consumer === undefined))
      return refuse('INVALID_INPUT', 'Give either keys or consumer.', '/keys');
    const reach = reachFor(principal, 'keys.revoke');
    if (isRefusal(reach)) return reach;
    const within = { projects: reach.projects, environments: reach.environments };
    const found =
      consumer === undefined
        ? { changing: keys ?? [], dead: [] }
        : await keysOfConsumer(reader, within, consumer, reason, context.clock.wall());
    if (found.changing.length + found.dead.length === 0)
      return refuse('CONSUMER_NOT_FOUND', `${consumer} has no key that you could revoke.`, '/consumer');
    // Taking away waits for no policy: a service does it with its scope.
    const unconfirmed = principal.kind === 'person' ? await confirm() : null;
    if (unconfirmed !== null) return unconfirmed;
    const caller = { principal, ip, idempotency: undefined };
    const done = await revokeKeys(routes, caller, found, reason);
    if (isRefusal(done)) return done;
    const { revoked, entries, refusals, barrier } = done;
    const [first] = refusals;
    if (barrier === null) return first?.refusal ?? refuse('KEY_NOT_FOUND', 'There is nothing to revoke.');
    const said = refusals.map(({ id, refusal }) => ({ id, code: refusal.refused, detail: refusal.detail }));
    return {
      body: { revoked: [...revoked], entries: [...entries], refused: said, barrier },
      sequence: barrier.sequence,
    };
  });
}

function locate({ project_id, environment_id }: CredentialRow, absent: Refusal) {
  return { resource: { project: project_id, environment: environment_id }, absent };
}
