import { isRefusal, refuse } from '@keyhold/protocol/errors';
import * as operations from '@keyhold/protocol/operations/keys';
import type { FastifyInstance } from 'fastify';
import type { Principal } from '../access/principal.ts';
import { showDelivery } from '../delivery/delivery.routes.ts';
import { mount } from '../http/mount.ts';
import { noteShown } from '../access/locate.ts';
import { pageOf } from '../http/page.ts';
import { confirmInProduction } from '../projects/confirm-in-production.ts';
import { openEnvironment, visiblePlaces } from '../projects/locate.ts';
import type { Routes } from '../projects/projects.routes.ts';
import { expose } from '../vault/expose.ts';
import type { Vault } from '../vault/vault.ts';
import { doesMoreThanRead } from './critical.ts';
import { issueKey } from './issue-key.ts';
import { listKeys, type PlacedKey } from './keys.store.ts';
import { findNextCredential } from './find-next-credential.ts';
import { credentialPlaceOf, describeDelivered, type Prepared, prepareDelivered } from './prepare-delivered.ts';
import { openKey } from './open-key.ts';
import { rotateKey } from './rotate-key.ts';
import { type Gives, givesNow, updateKey } from './update-key.ts';
import { viewKeys } from './view-key.ts';

export interface KeyRoutes extends Routes {
  readonly vault: Vault;
}

export function mountKeys(app: FastifyInstance, routes: KeyRoutes): void {
  const { gate, context, reader, vault } = routes;
  mountReading(app, routes);

  mount(app, gate, operations.issueKey, async ({ principal, body, ip, idempotency, confirm }) => {
    const { project, environment, deliverTo, credential: asked, ...input } = body;
    const place = await openEnvironment(reader, principal, 'keys.issue', project, environment);
    if (isRefusal(place)) return place;
    const unconfirmed = doesMoreThanRead(body.permissions)
      ? await confirmInProduction(reader, { principal, confirm }, place.environment.id)
      : null;
    if (unconfirmed !== null) return unconfirmed;
    const names = { environment: `${project}/${environment}`, holder: body.consumer };
    const of = { project_id: place.project.id, environment_id: place.environment.id, prefix: place.environment.prefix };
    const prepared = await prepareDelivered(vault, { ...of, ...names }, asked, deliverTo);
    const issued = await issueKey(context, { principal, ip, idempotency }, place, input, prepared);
    if (isRefusal(issued)) return issued;
    const { value, sequence, repeated } = issued;
    const { key, credential } = value;
    const shown = repeated || isRefusal(prepared) ? { secretShown: true as const } : await show(prepared);
    return { body: { key, credential, ...shown }, repeated, sequence };
  });

  mount(app, gate, operations.updateKey, async ({ principal, params, body, ip, idempotency, confirm }) => {
    // INVARIANT: looked at once. What waits for nobody by one look must not be let through by another.
    let gives: Gives = { widens: true, loosens: true };
    const narrows = async (found: PlacedKey) => {
      gives = await givesNow(reader, found, body);
      return !gives.loosens;
    };
    const key = await openKey(reader, principal, 'keys.change', params.id, narrows);
    if (isRefusal(key)) return key;
    const unconfirmed = gives.widens ? await confirm() : null;
    if (unconfirmed !== null) return unconfirmed;
    const updated = await updateKey(context, { principal, ip, idempotency }, key, body, gives);
    if (isRefusal(updated)) return updated;
    const { sequence, ...shown } = updated;
    return { body: shown, sequence };
  });
}

function mountReading(app: FastifyInstance, { gate, context, reader, cursors }: KeyRoutes): void {
  mount(app, gate, operations.listKeys, async ({ principal, query }) => {
    const filter = await filterFor(principal, query.project, query.environment);
    if (isRefusal(filter)) return filter;
    const { projects, environments } = filter;
    const { consumer, state, q } = query;
    const nowMs = context.clock.wall();
    const load = (after: string | undefined, limit: number) =>
      listKeys(reader, { projects, environments, consumer, state, q, after, limit, nowMs });
    const page = { list: operations.listKeys.id, principal: principal.id, query };
    const found = await pageOf(
      cursors,
      page,
      load,
      ({ id }) => id,
      (rows) => {
        // One environment was decided on already.
        if (query.environment === undefined) noteShown(principal, 'keys.read', rows.map(placeOf));
        return viewKeys(reader, rows, nowMs);
      },
    );
    return isRefusal(found) ? found : { body: found };
  });

  const filterFor = async (principal: Principal, project: string | undefined, environment: string | undefined) => {
    if (environment !== undefined) {
      if (project === undefined) return refuse('INVALID_INPUT', 'Name the project too.', 'project');
      const place = await openEnvironment(reader, principal, 'keys.read', project, environment);
      return isRefusal(place) ? place : { projects: [], environments: [place.environment.id] };
    }
    return await visiblePlaces(reader, principal, 'keys.read', project);
  };

  mount(app, gate, operations.getKey, async ({ principal, params }) => {
    const key = await openKey(reader, principal, 'keys.read', params.id);
    if (isRefusal(key)) return key;
    const [view] = await viewKeys(reader, [key], context.clock.wall());
    return view === undefined ? refuse('KEY_NOT_FOUND', 'It is gone.') : { body: view };
  });
}

export function mountRotation(app: FastifyInstance, { gate, context, reader, vault }: KeyRoutes): void {
  mount(app, gate, operations.rotateKey, async ({ principal, params, body, ip, idempotency, confirm }) => {
    const key = await openKey(reader, principal, 'keys.rotate', params.id);
    if (isRefusal(key)) return key;
    // Whoever rotates is shown a credential that does all that the key does.
    const unconfirmed = doesMoreThanRead(JSON.parse(key.permissions) as string[])
      ? await confirmInProduction(reader, { principal, confirm }, key.environment_id)
      : null;
    if (unconfirmed !== null) return unconfirmed;
    const asked = body.credential ?? (await findNextCredential(reader, key.id, context.clock.wall()));
    const prepared = isRefusal(asked)
      ? asked
      : await prepareDelivered(vault, credentialPlaceOf(key), asked, body.deliverTo);
    const caller = { principal, ip, idempotency };
    const rotated = await rotateKey(context, caller, key, body.overlapSeconds, prepared);
    if (isRefusal(rotated)) return rotated;
    const { sequence, repeated } = rotated;
    const { credential, previous } = rotated.value;
    const barrier = rotated.barrier === undefined ? {} : { barrier: rotated.barrier };
    const shown = repeated || isRefusal(prepared) ? { secretShown: true as const } : await show(prepared);
    return { body: { credential, previous, ...shown, ...barrier }, repeated, sequence };
  });
}

/** What is in this answer only. */
async function show(prepared: Prepared) {
  const { secret, passphrase } = prepared.credential;
  if (secret === null) return {};
  if (prepared.way !== undefined) return { delivery: await describeDelivered(prepared, prepared.way, showDelivery) };
  return { secret: expose(secret), ...(passphrase === null ? {} : { passphrase: expose(passphrase) }) };
}

function placeOf({ project_id: project, environment_id: environment }: PlacedKey) {
  return { project, environment };
}
