import { isRefusal } from '@keyhold/protocol/errors';
import type { Delivery, ListedDelivery } from '@keyhold/protocol/operations/deliveries';
import * as operations from '@keyhold/protocol/operations/deliveries';
import type { FastifyInstance } from 'fastify';
import type { Principal } from '../access/principal.ts';
import type { DeliveryRow } from '../database/schema.ts';
import type { Cursors } from '../http/cursor.ts';
import { type Gate, mount } from '../http/mount.ts';
import { pageOf } from '../http/page.ts';
import { openEnvironment } from '../projects/locate.ts';
import { expose } from '../vault/expose.ts';
import type { Vault } from '../vault/vault.ts';
import type { PreparedDelivery } from './create-delivery.ts';
import { listDeliveries } from './deliveries.store.ts';
import { oncePath, stateOf, subjectOf } from './delivery.ts';
import { endDelivery } from './end-delivery.ts';
import { ONCE_CSP, ONCE_PAGE } from './once-page.ts';
import { takeDelivery } from './take-delivery.ts';

/** Whoever has the token is whom it was meant for: nothing else of him is known. */
interface Bearer {
  readonly id: string;
  readonly token: string;
}

interface DeliveryRoutes {
  readonly gate: Gate<Principal>;
  readonly vault: Vault;
  readonly cursors: Cursors;
}

export function mountDeliveries(app: FastifyInstance, routes: DeliveryRoutes): void {
  const { gate, vault } = routes;
  mountList(app, routes);
  mount(app, gate, operations.endDelivery, async ({ principal, params: { id }, ip }) => {
    const ended = await endDelivery(vault, { principal, ip, idempotency: undefined }, id);
    if (isRefusal(ended)) return ended;
    const { taken_at } = ended.value;
    const takenAt = taken_at === null ? null : new Date(taken_at).toISOString();
    return { body: { id, subject: subjectOf(ended.value), takenAt }, sequence: ended.sequence };
  });
  const { acknowledge } = gate;
  const bearers: Gate<Bearer> = {
    ...(acknowledge === undefined ? {} : { acknowledge }),
    authenticate: async (secret: string | null): Promise<Bearer | null> =>
      secret === null ? null : { id: 'bearer', token: secret },
  };
  mount(app, bearers, operations.takeDelivery, async ({ principal, ip }) => {
    const taken = await takeDelivery(vault, principal.token, ip);
    if (isRefusal(taken)) return taken;
    const { subject, content, sequence } = taken;
    return { body: { subject, content: JSON.parse(expose(content)) }, sequence };
  });

  app.get('/once', { schema: { hide: true } as object }, (_request, reply) =>
    reply
      .header('content-security-policy', ONCE_CSP)
      .header('cache-control', 'no-store')
      .header('referrer-policy', 'no-referrer')
      .header('x-content-type-options', 'nosniff')
      .header('x-robots-tag', 'noindex')
      .type('text/html; charset=utf-8')
      .send(ONCE_PAGE),
  );
}

function mountList(app: FastifyInstance, { gate, vault, cursors }: DeliveryRoutes): void {
  const { reader, clock } = vault;
  mount(app, gate, operations.listDeliveries, async ({ principal, query }) => {
    const place = await openEnvironment(reader, principal, 'deliveries.read', query.project, query.environment);
    if (isRefusal(place)) return place;
    const { subject, state, project, environment } = query;
    const nowMs = clock.wall();
    const filter = { environment: place.environment.id, subject, state, nowMs };
    const found = await pageOf(
      cursors,
      { list: operations.listDeliveries.id, principal: principal.id, query },
      (after, limit) => listDeliveries(reader, { ...filter, after, limit }),
      ({ id }) => id,
      (rows) => rows.map((row) => ({ project, environment, ...showListed(row, nowMs) })),
    );
    return isRefusal(found) ? found : { body: found };
  });
}

function showListed(row: DeliveryRow, nowMs: number): Omit<ListedDelivery, 'project' | 'environment'> {
  const at = (ms: number) => new Date(ms).toISOString();
  return {
    id: row.id,
    subject: subjectOf(row),
    state: stateOf(row, nowMs),
    createdAt: at(row.created_at),
    expiresAt: at(row.expires_at),
    takenAt: row.taken_at === null ? null : at(row.taken_at),
  };
}

/** What an answer says of a delivery that was just made; its token leaves with it. */
export function showDelivery({ id, token, expiresAt }: PreparedDelivery): Delivery {
  const text = expose(token);
  return { id, token: text, path: oncePath(text), expiresAt: new Date(expiresAt).toISOString() };
}
