import { hash } from 'node:crypto';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { AppRoleRow, AppRoleSecretRow } from '../../database/workload-rows.ts';
import { readCheckedRows } from '../../ledger/checked-rows.ts';
import { makeToken } from '../create-token.ts';
import { tokenNameOf } from '../token-names.ts';
import type { Secret } from '../../vault/secret.ts';
import { isGood, isInside, settingsOf, tokenTtlOf } from './app-role.ts';
import { findByRoleId, findSecretByDigest } from './app-roles.store.ts';
import type { AppRoleContext } from './save-app-role.ts';

export interface AppSignedIn {
  readonly role: AppRoleRow;
  readonly tokenId: string;
  readonly secret: Secret;
  readonly expiresInSeconds: number;
  /** Of the entry that the token was given. */
  readonly sequence: number;
}

/** One answer for whatever is wrong. */
const NOTHING = refuse('UNAUTHENTICATED', 'invalid role or secret ID');

/**
 * Exchanges a role id and a secret id for a short-lived token. A use is counted within the change that gives the token: of
 * any number that come at once with the last one, one gets it. The secret id is who does it: what it was given is known by
 * it when whoever made it leaves.
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
  // What is over, or used up, or comes from elsewhere, is no matter of whoever writes.
  const checked = await readCheckedRows(reader, ['app_roles', 'app_role_secrets'], [id, known.id]);
  const [role, held] = checked.flatMap((one) => ('tampered' in one ? [] : [one.row]));
  const isWhole = role !== undefined && held !== undefined;
  if (isWhole && !opens(role as AppRoleRow, held as AppRoleSecretRow, ip, clock.wall())) return NOTHING;
  const { secret, row: token } = makeToken(context);
  const draft = { actor: known.id, action: 'token.exchanged', subject: token.id, side: { ip } };
  const recorded = await ledger.record({ ...draft, locks: [id, known.id] }, async (facts) => {
    const [role, held] = [await facts.find('app_roles', id), await facts.find('app_role_secrets', known.id)];
    if (role === undefined || held === undefined || !opens(role, held, ip, clock.wall())) return NOTHING;
    const settings = settingsOf(role);
    if (held.uses_left !== null) await facts.update('app_role_secrets', held, { uses_left: held.uses_left - 1 });
    const expiresInSeconds = tokenTtlOf(settings);
    await facts.insert('tokens', {
      ...token,
      ...{ name: tokenNameOf(role), scopes: JSON.stringify(settings.scopes), projects: null },
      ...{ environment_id: role.environment_id, expires_at: token.created_at + expiresInSeconds * 1000 },
    });
    return { role, expiresInSeconds };
  });
  if (isRefusal(recorded)) return recorded;
  await propagation.given(recorded.sequence);
  return { ...recorded.value, tokenId: token.id, secret, sequence: recorded.sequence };
}

function opens(role: AppRoleRow, held: AppRoleSecretRow, ip: string, nowMs: number): boolean {
  if (role.state !== 'active' || held.app_role_id !== role.id || !isGood(held, nowMs)) return false;
  return isInside([settingsOf(role).networks, JSON.parse(held.networks) as string[]], ip);
}
