import { isRefusal } from '@keyhold/protocol/errors';
import * as operations from '@keyhold/protocol/operations/secrets';
import type { FastifyInstance } from 'fastify';
import { describeWay, prepareWay, writeWay } from '../delivery/deliver.ts';
import { showDelivery } from '../delivery/delivery.routes.ts';
import { mount } from '../http/mount.ts';
import { expose } from '../vault/expose.ts';
import { openSecret, secretEntry } from './open-secret.ts';
import { revealSecret } from './reveal-secret.ts';
import { showSecret } from './secret-record.ts';
import type { SecretRoutes } from './secrets.routes.ts';

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
    const { version, json } = revealed;
    const recorded = await vault.ledger.record(
      {
        ...secretEntry(caller, secret, 'secret.delivered'),
        code: `version-${version.version}`,
        evenWithoutChange: true,
      },
      (facts) => writeWay(way, facts, secret.id, json),
    );
    if (isRefusal(recorded)) return recorded;
    const delivery = await describeWay(way, json, showDelivery);
    return { body: { secret: showSecret(secret, secret), version, delivery }, sequence: recorded.sequence };
  });
}
