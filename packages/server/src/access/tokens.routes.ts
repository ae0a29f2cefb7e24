import { isRefusal, refuse } from '@keyhold/protocol/errors';
import {
  createToken as createTokenOperation,
  listTokens as listTokensOperation,
  revokeToken as revokeTokenOperation,
} from '@keyhold/protocol/operations/access';
import type { FastifyInstance } from 'fastify';
import type { Kysely } from 'kysely';
import type { Database, TokenRow } from '../database/schema.ts';
import type { Cursors } from '../http/cursor.ts';
import { type Gate, mount } from '../http/mount.ts';
import { pageOf } from '../http/page.ts';
import { expose } from '../vault/expose.ts';
import type { ChangeContext } from './change-context.ts';
import { createToken } from './create-token.ts';
import { allowOnInstallation, noteShown, reachFor } from './locate.ts';
import { holdsWhole, INSTALLATION, type Principal, type Reach, type Resource } from './principal.ts';
import { refuseUnseen } from './refuse-unseen.ts';
import { readExpiry } from './read-expiry.ts';
import { revokeToken } from './revoke-token.ts';
import { type PlaceNames, readBinding, showToken, type TokenPlaces } from './token.ts';
import { findToken, listTokens } from './tokens.store.ts';
import { isKnownToLedger, withdrawMissing } from './withdraw-missing.ts';

export interface TokenRoutes {
  readonly gate: Gate<Principal>;
  readonly context: ChangeContext;
  readonly reader: Kysely<Database>;
  readonly cursors: Cursors;
  readonly places: TokenPlaces;
  /** Told after a token was revoked, before that is answered. */
  readonly tokenRevoked: () => Promise<void>;
}

export function mountTokens(
  app: FastifyInstance,
  { gate, context, reader, cursors, places, tokenRevoked }: TokenRoutes,
): void {
  const show = async (rows: readonly TokenRow[]) => {
    const names = await places.names(rows);
    return rows.map((row) => showToken(row, names, context.clock.wall()));
  };

  mount(app, gate, createTokenOperation, async ({ principal, body, ip, idempotency, confirm }) => {
    const reach = reachFor(principal, 'tokens.create');
    if (isRefusal(reach)) return reach;
    const binding = await readBinding(places, principal, body);
    if (isRefusal(binding)) return binding;
    const unseen = refuseUnseen(principal, body.scopes, binding.at);
    if (unseen !== null) return unseen;
    const isOfAll = binding.at.includes(INSTALLATION);
    const refused = (isOfAll ? allowOnInstallation(principal, 'tokens.create') : null) ?? (await confirm());
    if (refused !== null) return refused;
    const expiresAt = readExpiry(body.expiresAt);
    if (isRefusal(expiresAt)) return expiresAt;
    const input = { name: body.name, scopes: body.scopes, ...binding, expiresAt };
    const created = await createToken(context, { principal, ip, idempotency }, input);
    if (isRefusal(created)) return created;
    const [token] = await show([created.value.token]);
    if (token === undefined) return refuse('TOKEN_NOT_FOUND', 'It is gone.');
    const { sequence } = created;
    if (created.repeated) return { body: { token, secretShown: true as const }, repeated: true, sequence };
    return { body: { token, secret: expose(created.value.secret) }, sequence };
  });

  mount(app, gate, listTokensOperation, async ({ principal, query }) => {
    const reach = reachFor(principal, 'tokens.read');
    if (isRefusal(reach)) return reach;
    const { kind, state } = query;
    const nowMs = context.clock.wall();
    const page = { list: listTokensOperation.id, principal: principal.id, query };
    const found = await pageOf(
      cursors,
      page,
      (after, limit) => listTokens(reader, { within: reach, kind, state, after, limit, nowMs }),
      ({ id }) => id,
      async (rows) => {
        const names = await places.names(rows);
        noteShown(
          principal,
          'tokens.read',
          rows.flatMap((row) => boundTo(row, names)),
        );
        return await show(rows);
      },
    );
    return isRefusal(found) ? found : { body: found };
  });

  mount(app, gate, revokeTokenOperation, async ({ principal, params, ip, idempotency }) => {
    const absent = refuse('TOKEN_NOT_FOUND', `There is no token ${params.id}.`, 'id');
    const token = await findToken(reader, params.id);
    const reach = reachFor(principal, 'tokens.revoke');
    if (isRefusal(reach)) return reach;
    if (token === undefined && (await isKnownToLedger(reader, params.id))) {
      const barred = allowOnInstallation(principal, 'tokens.revoke');
      return barred ?? (await withdrawMissing(context, { principal, ip, idempotency }, 'tokens', params.id, absent));
    }
    if (token === undefined || !isVisible(reach, token, await places.names([token]))) return absent;
    const revoked = await revokeToken(context, { principal, ip, idempotency }, params.id);
    if (isRefusal(revoked)) return revoked;
    await tokenRevoked();
    const [shown] = await show([revoked.token]);
    const { barrier } = revoked;
    return shown === undefined ? absent : { body: { token: shown, barrier }, sequence: barrier.sequence };
  });
}

/** Where a token is good. */
function boundTo({ projects, environment_id: environment }: TokenRow, names: PlaceNames): readonly Resource[] {
  if (environment !== null) return [{ project: names.projectOf.get(environment) ?? null, environment }];
  if (projects === null) return [INSTALLATION];
  return (JSON.parse(projects) as string[]).map((project) => ({ project, environment: null }));
}

/**
 * A bound caller sees tokens bound within its own binding, as `listTokens` finds them; `names` knows the environments'
 * projects.
 */
function isVisible(reach: Reach, token: TokenRow, names: PlaceNames): boolean {
  if (reach.projects === null) return true;
  const projects = token.projects === null ? null : (JSON.parse(token.projects) as string[]);
  if (token.environment_id !== null) {
    const project = names.projectOf.get(token.environment_id) ?? null;
    return reach.reaches({ project, environment: token.environment_id });
  }
  return projects?.every((project) => holdsWhole(reach, project)) ?? false;
}
