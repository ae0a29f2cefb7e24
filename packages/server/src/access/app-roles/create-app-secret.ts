import { hash } from 'node:crypto';
import { APP_SECRET_PREFIX, formatCredential } from '@keyhold/protocol/credential-format';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { AppRoleRow, AppRoleSecretRow } from '../../database/workload-rows.ts';
import type { Recorded } from '../../ledger/entry.ts';
import { Secret } from '../../vault/secret.ts';
import { type Attribution, attribution, type Caller, type ChangeContext } from '../change-context.ts';
import { settingsOf } from './app-role.ts';
import { listGoodSecrets } from './app-roles.store.ts';
import { refuseGiving } from './save-app-role.ts';

/** How long and how often it is good, and where; narrower than its role says, never wider. */
export interface AppSecretLimits {
  readonly ttlSeconds: number;
  readonly uses: number;
  readonly networks: readonly string[];
}

export interface CreatedAppSecret {
  readonly row: AppRoleSecretRow;
  readonly secret: Secret;
  /** Of the entry that it was made. */
  readonly sequence: number;
}

/** One more makes no sense, and what is listed is listed whole. */
export const MAX_GOOD = 10_000;

/** Makes a secret id; it is in the result only. */
export async function createAppSecret(
  { ledger, random, clock }: ChangeContext,
  caller: Caller,
  role: AppRoleRow,
  limits: AppSecretLimits,
): Promise<CreatedAppSecret | Refusal> {
  const { scopes } = settingsOf(role);
  const excess = refuseGiving(caller, { id: role.environment_id, project_id: role.project_id }, scopes);
  if (excess !== null) return excess;
  const text = formatCredential(APP_SECRET_PREFIX, random.bytes(32));
  const id = random.newId('appSecret');
  const place = { project: role.project_id, environment: role.environment_id };
  // By its code the log knows whose it is.
  const said = { ...attribution(caller), action: 'app-secret.created', subject: id, code: role.id };
  const draft = { ...said, ...place, locks: [role.id] };
  const recorded = await ledger.record(draft, async (facts) => {
    const held = await facts.find('app_roles', role.id);
    if (held?.state !== 'active') return refuse('WORKLOAD_NOT_FOUND', 'It is gone.');
    const now = clock.wall();
    if ((await listGoodSecrets(facts.db, role.id, now, MAX_GOOD)).length === MAX_GOOD)
      return refuse(
        'INVALID_INPUT',
        `It has ${MAX_GOOD} secret ids that are good: destroy some, or let them end sooner.`,
      );
    return await facts.insert('app_role_secrets', {
      ...{ id, app_role_id: role.id, digest: hash('sha256', text, 'hex'), networks: JSON.stringify(limits.networks) },
      uses_left: limits.uses === 0 ? null : limits.uses,
      expires_at: limits.ttlSeconds === 0 ? null : now + limits.ttlSeconds * 1000,
      ...{ state: 'active' as const, created_at: now },
    });
  });
  if (isRefusal(recorded)) return recorded;
  return { row: recorded.value, secret: new Secret(text), sequence: recorded.sequence };
}

/** Destroys one; the tokens that it was exchanged for go on until their end. It works on a row that was edited too. */
export async function destroyAppSecret(
  { ledger }: Pick<ChangeContext, 'ledger'>,
  by: Attribution,
  id: string,
): Promise<Recorded<unknown> | Refusal> {
  const draft = { ...by, action: 'app-secret.destroyed', subject: id, locks: [id] };
  return await ledger.record(draft, async (facts) => {
    return (await facts.takeAway('app_role_secrets', id, { state: 'destroyed' })) ?? null;
  });
}
