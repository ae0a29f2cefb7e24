import { isRefusal } from '@keyhold/protocol/errors';
import * as operations from '@keyhold/protocol/operations/factors';
import type { FastifyInstance } from 'fastify';
import { holdsWhole } from '../access/principal.ts';
import { mount } from '../http/mount.ts';
import { pageOf } from '../http/page.ts';
import { confirmInProduction } from '../projects/confirm-in-production.ts';
import { openConsumer, openEnvironment } from '../projects/locate.ts';
import { listProjects } from '../projects/projects.store.ts';
import { expose } from '../vault/expose.ts';
import { confirmFactor } from './confirm-factor.ts';
import { enrolTotp } from './enrol-totp.ts';
import { showFactor } from './factor.ts';
import { listFactors } from './factors.store.ts';
import type { KeyRoutes } from './keys.routes.ts';
import { openFactor } from './open-factor.ts';
import { mountPasskeys } from './passkeys.routes.ts';
import { removeFactor } from './remove-factor.ts';

/** Second factors of consumers. */
export function mountFactors(app: FastifyInstance, routes: KeyRoutes): void {
  const { gate, context, reader, cursors, vault } = routes;
  mountPasskeys(app, routes);
  mount(app, gate, operations.enrolTotp, async ({ principal, params, body, ip, idempotency, confirm }) => {
    const opened = await openConsumer(reader, principal, 'factors.enrol', params.id);
    if (isRefusal(opened)) return opened;
    const { consumer } = opened;
    const [project] = await listProjects(reader, [consumer.project_id], undefined, 1);
    const slug = project?.slug ?? '';
    const place = await openEnvironment(reader, principal, 'factors.enrol', slug, body.environment);
    if (isRefusal(place)) return place;
    const unconfirmed = await confirmInProduction(reader, { principal, confirm }, place.environment.id);
    if (unconfirmed !== null) return unconfirmed;
    const { name, issuer = place.project.name, algorithm = 'sha1' } = body;
    const caller = { principal, ip, idempotency };
    const enrolled = await enrolTotp(vault, caller, consumer, place, { name, issuer, algorithm });
    if (isRefusal(enrolled)) return enrolled;
    const { value: factor, repeated, sequence, secret, uri } = enrolled;
    const shown = repeated ? { secretShown: true as const } : { secret: expose(secret), uri: expose(uri) };
    return { body: { factor, ...shown }, repeated, sequence };
  });

  mount(app, gate, operations.confirmFactor, async ({ principal, params, body, ip, idempotency }) => {
    const factor = await openFactor(reader, principal, 'factors.enrol', params.id);
    if (isRefusal(factor)) return factor;
    const confirmed = await confirmFactor(context, vault, { principal, ip, idempotency }, factor, body.otp);
    if (isRefusal(confirmed)) return confirmed;
    return { body: { factor: confirmed.factor }, sequence: confirmed.sequence };
  });

  mount(app, gate, operations.listFactors, async ({ principal, params, query }) => {
    const opened = await openConsumer(reader, principal, 'factors.read', params.id);
    if (isRefusal(opened)) return opened;
    const { consumer, reach } = opened;
    const environments = holdsWhole(reach, consumer.project_id) ? null : reach.environments;
    const load = (after: string | undefined, limit: number) =>
      listFactors(reader, consumer.id, environments, after, limit);
    const show = (rows: Awaited<ReturnType<typeof load>>) =>
      rows.map((row) => showFactor(row, { project: row.project_slug, environment: row.environment_name }));
    const page = { list: `${operations.listFactors.id} ${consumer.id}`, principal: principal.id, query };
    const found = await pageOf(
      cursors,
      page,
      load,
      ({ id }) => id,
      (rows) => show([...rows]),
    );
    return isRefusal(found) ? found : { body: found };
  });

  mount(app, gate, operations.removeFactor, async ({ principal, params, ip, idempotency, confirm }) => {
    const factor = await openFactor(reader, principal, 'factors.remove', params.id);
    if (isRefusal(factor)) return factor;
    const unconfirmed = await confirmInProduction(reader, { principal, confirm }, factor.environment_id);
    if (unconfirmed !== null) return unconfirmed;
    const removed = await removeFactor(context, { principal, ip, idempotency }, factor);
    if (isRefusal(removed)) return removed;
    const { sequence, ...shown } = removed;
    return { body: shown, sequence };
  });
}
