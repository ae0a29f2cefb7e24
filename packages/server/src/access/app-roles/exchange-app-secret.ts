import { hash } from 'node:crypto';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { AppRoleRow } from '../../database/workload-rows.ts';
import { makeToken } from '../create-token.ts';
import { tokenNameOf } from '../workload.ts';
import type { Secret } from '../../vault/secret.ts';
import { isGood, isInside, settingsOf } from './app-role.ts';
import { findByRoleId, findSecretByDigest } from './app-roles.store.ts';
import type { AppRoleContext } from './save-app-role.ts';

export interface AppSignedIn {
  readonly role: AppRoleRow;
  readonly tokenId: string;
  readonly secret: Secret;
  readonly expiresInSeconds: number;
}

/** One answer for whatever is wrong. */
const NOTHING = refuse('UNAUTHENTICATED', 'invalid role or secret ID');

/**
 * Exchanges a role id and a secret id for a short-lived token. A use is counted within the change that gives the token: of
 * any number that come at once with the last one, one gets it.
 */
export async function exchangeAppSecret(
  context: AppRoleContext,
  ip: string,
  roleId: string,
  secretId: string,
): Promise<AppSignedIn | Refusal> {
  const { reader, ledger, clock, propagation } = context;
  const id = await findByRoleId(reader, roleId);
  const known = await findSecretByDigest(reader, hash('sha256', secretId, 'hex'));
  if (id === undefined || known === undefined || known.app_role_id !== id) return NOTHING;
  const { secret, row: token } = makeToken(context);
  const draft = { actor: id, action: 'token.exchanged', subject: token.id, side: { ip, secret: known.id } };
  const recorded = await ledger.record({ ...draft, locks: [id, known.id] }, async (facts) => {
    const [role, held] = [await facts.find('app_roles', id), await facts.find('app_role_secrets', known.id)];
    const now = clock.wall();
    if (role?.state !== 'active' || held === undefined || held.app_role_id !== id || !isGood(held, now)) return NOTHING;
    const { scopes, networks, tokenTtlSeconds } = settingsOf(role);
    if (!isInside([networks, JSON.parse(held.networks) as string[]], ip)) return NOTHING;
    if (held.uses_left !== null) await facts.update('app_role_secrets', held, { uses_left: held.uses_left - 1 });
    await facts.insert('tokens', {
      ...token,
      ...{ name: tokenNameOf(role), scopes: JSON.stringify(scopes), projects: null },
      ...{ environment_id: role.environment_id, expires_at: token.created_at + tokenTtlSeconds * 1000 },
    });
    return role;
  });
  if (isRefusal(recorded)) return recorded;
  await propagation.given(recorded.sequence);
  const role = recorded.value;
  return { role, tokenId: token.id, secret, expiresInSeconds: role.token_ttl };
}
