import { isRefusal } from '@keyhold/protocol/errors';
import * as operations from '@keyhold/protocol/operations/secrets';
import type { FastifyInstance } from 'fastify';
import { mount } from '../http/mount.ts';
import { expose } from '../vault/expose.ts';
import { openSecret } from './open-secret.ts';
import { revealSecret } from './reveal-secret.ts';
import { showSecret } from './secret-record.ts';
import type { SecretRoutes } from './secrets.routes.ts';

/** The one route through which a stored secret leaves. */
export function mountReveal(app: FastifyInstance, { gate, reader, vault }: SecretRoutes): void {
  mount(app, gate, operations.revealSecret, async ({ principal, params, body, ip, idempotency }) => {
    const secret = await openSecret(reader, principal, 'secrets.reveal', params.id);
    if (isRefusal(secret)) return secret;
    const revealed = await revealSecret(vault, { principal, ip, idempotency }, secret, body.version);
    if (isRefusal(revealed)) return revealed;
    const data = JSON.parse(expose(revealed.json)) as Record<string, unknown>;
    return { body: { secret: showSecret(secret, secret), version: revealed.version, data } };
  });
}
