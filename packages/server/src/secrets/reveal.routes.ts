import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import * as operations from '@keyhold/protocol/operations/secrets';
import type { FastifyInstance } from 'fastify';
import type { Caller } from '../access/change-context.ts';
import { describeWay, endingBy, prepareWay, writeWay } from '../delivery/deliver.ts';
import { versionSubject } from '../delivery/delivery.ts';
import { showDelivery } from '../delivery/delivery.routes.ts';
import { mount } from '../http/mount.ts';
import { openEnvironment } from '../projects/locate.ts';
import { expose } from '../vault/expose.ts';
import { Secret } from '../vault/secret.ts';
import { findSecretByPath } from './secrets.store.ts';
import { openSecret, secretEntry } from './open-secret.ts';
import { findLive, revealSecret } from './reveal-secret.ts';
import { showSecret } from './secret-record.ts';
import type { SecretRoutes } from './secrets.routes.ts';

/** One field of the newest version, for another room that uses it; like every reveal it has its entry first. */
export async function revealField(
  { reader, vault }: Pick<SecretRoutes, 'reader' | 'vault'>,
  caller: Caller,
  { project, environment, path }: { readonly project: string; readonly environment: string; readonly path: string },
  field: string,
): Promise<Secret | Refusal> {
  const place = await openEnvironment(reader, caller.principal, 'secrets.reveal', project, environment);
  if (isRefusal(place)) return place;
  const absent = refuse('SECRET_NOT_FOUND', `There is no secret ${path}.`, '/path');
  const found = await findSecretByPath(reader, place.environment.id, path);
  const secret = found === undefined ? absent : await openSecret(reader, caller.principal, 'secrets.reveal', found.id);
  if (isRefusal(secret)) return secret;
  const revealed = await revealSecret(vault, caller, secret, undefined);
  if (isRefusal(revealed)) return revealed;
  const value = (JSON.parse(expose(revealed.json)) as Record<string, unknown>)[field];
  if (typeof value === 'string' && value !== '') return new Secret(value);
  return refuse('INVALID_INPUT', `The secret ${path} has no text under "${field}".`, '/path');
}

/** The routes through which a stored secret leaves: in the answer, or to somebody else. */
export function mountReveal(app: FastifyInstance, { gate, reader, vault }: SecretRoutes): void {
  mount(app, gate, operations.revealSecret, async ({ principal, params, body, ip, idempotency, confirm }) => {
    const secret = await openSecret(reader, principal, 'secrets.reveal', params.id);
    if (isRefusal(secret)) return secret;
    const unconfirmed = await confirm();
    if (unconfirmed !== null) return unconfirmed;
    const revealed = await revealSecret(vault, { principal, ip, idempotency }, secret, body.version);
    if (isRefusal(revealed)) return revealed;
    const data = JSON.parse(expose(revealed.json)) as Record<string, unknown>;
    const { version, sequence } = revealed;
    return { body: { secret: showSecret(secret, secret), version, data }, sequence };
  });

  mount(app, gate, operations.deliverSecret, async ({ principal, params, body, ip, idempotency, confirm }) => {
    const secret = await openSecret(reader, principal, 'secrets.reveal', params.id);
    if (isRefusal(secret)) return secret;
    const unconfirmed = await confirm();
    if (unconfirmed !== null) return unconfirmed;
    const way = await prepareWay(vault, secret, body.deliverTo);
    if (isRefusal(way)) return way;
    const caller = { principal, ip, idempotency };
    const revealed = await revealSecret(vault, caller, secret, body.version);
    if (isRefusal(revealed)) return revealed;
    const { id, version, json } = revealed;
    const leaving = endingBy(way, version.expiresAt === null ? null : Date.parse(version.expiresAt));
    const recorded = await vault.ledger.record(
      {
        ...secretEntry(caller, secret, 'secret.delivered'),
        code: `version-${version.version}`,
        evenWithoutChange: true,
      },
      async (facts) => {
        // It may have been destroyed since, with all links that there were.
        const live = await findLive(facts, { id, number: version.version }, vault.clock.wall());
        if (isRefusal(live)) return live;
        await writeWay(leaving, facts, versionSubject(secret.id, version.version), json);
        return true;
      },
    );
    if (isRefusal(recorded)) return recorded;
    const delivery = await describeWay(leaving, json, showDelivery);
    return { body: { secret: showSecret(secret, secret), version, delivery }, sequence: recorded.sequence };
  });
}
