import type { RegistrationResponseJSON } from '@simplewebauthn/server';
import { isRefusal, refuse } from '@keyhold/protocol/errors';
import * as operations from '@keyhold/protocol/operations/factors';
import type { FastifyInstance } from 'fastify';
import { mount } from '../http/mount.ts';
import { confirmInProduction } from '../projects/confirm-in-production.ts';
import { openConsumer, openEnvironment } from '../projects/locate.ts';
import { listProjects } from '../projects/projects.store.ts';
import { confirmPasskey } from './confirm-passkey.ts';
import { enrolPasskey } from './enrol-passkey.ts';
import type { KeyRoutes } from './keys.routes.ts';
import { openFactor } from './open-factor.ts';
import { originProblem } from './passkey.ts';

/** Passkeys of consumers, second factors that sign the request itself. */
export function mountPasskeys(app: FastifyInstance, { gate, context, reader, vault }: KeyRoutes): void {
  mount(app, gate, operations.enrolPasskey, async ({ principal, params, body, ip, idempotency, confirm }) => {
    const opened = await openConsumer(reader, principal, 'factors.enrol', params.id);
    if (isRefusal(opened)) return opened;
    const { consumer } = opened;
    const [project] = await listProjects(reader, [consumer.project_id], undefined, 1);
    const place = await openEnvironment(reader, principal, 'factors.enrol', project?.slug ?? '', body.environment);
    if (isRefusal(place)) return place;
    const unconfirmed = await confirmInProduction(reader, { principal, confirm }, place.environment.id);
    if (unconfirmed !== null) return unconfirmed;
    const { name, rpId, rpName = place.project.name, origins } = body;
    for (const [i, origin] of origins.entries()) {
      const problem = originProblem(origin, rpId);
      if (problem !== null) return refuse('INVALID_INPUT', problem, `/origins/${i}`);
    }
    const caller = { principal, ip, idempotency };
    const asked = { name, rpId, rpName, origins };
    const enrolled = await enrolPasskey(context, caller, consumer, place, asked);
    if (isRefusal(enrolled)) return enrolled;
    const { value: factor, repeated, sequence, options } = enrolled;
    const shown = repeated ? { optionsShown: true as const } : { options };
    return { body: { factor, ...shown }, repeated, sequence };
  });

  mount(app, gate, operations.confirmPasskey, async ({ principal, params, body, ip, idempotency }) => {
    const factor = await openFactor(reader, principal, 'factors.enrol', params.id);
    if (isRefusal(factor)) return factor;
    const confirming = { ...context, reader, tampered: vault.tampered };
    const response = { clientExtensionResults: {}, ...body.response } as RegistrationResponseJSON;
    const confirmed = await confirmPasskey(confirming, { principal, ip, idempotency }, factor, response);
    if (isRefusal(confirmed)) return confirmed;
    return { body: { factor: confirmed.factor }, sequence: confirmed.sequence };
  });
}
