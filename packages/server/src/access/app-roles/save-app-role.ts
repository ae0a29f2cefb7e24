import { randomUUID } from 'node:crypto';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Kysely } from 'kysely';
import type { Scope } from '@keyhold/protocol/state';
import type { Database, EnvironmentRow, TokenRow } from '../../database/schema.ts';
import type { AppRoleRow } from '../../database/workload-rows.ts';
import type { Facts } from '../../ledger/facts.ts';
import type { Recorded } from '../../ledger/entry.ts';
import { type Attribution, attribution, attributionWith, type Caller, type ChangeContext } from '../change-context.ts';
import { refuseExcess } from '../refuse-excess.ts';
import { refuseUnnamed } from '../refuse-unnamed.ts';
import type { AppRoleSettings } from './app-role.ts';
import { countAppRoles, findAppRole, secretIdsOf } from './app-roles.store.ts';
import { endTokensOf } from '../remove-workload.ts';

export type AppRoleContext = ChangeContext & { readonly reader: Kysely<Database> };

/** Nobody gives more than he has, nor for longer; and no person confirms what a service does. */
export function refuseGiving(
  { principal }: Caller,
  place: Pick<EnvironmentRow, 'id' | 'project_id'>,
  scopes: AppRoleSettings['scopes'],
): Refusal | null {
  const at = [{ project: place.project_id, environment: place.id }];
  const gift = { by: 'app-roles.create', openers: scopes, at, expiresAt: null } as const;
  return refuseExcess(principal, gift) ?? refuseUnnamed(principal);
}

/** Of an environment. */
const MAX_ROLES = 1_000;

/**
 * Makes an app role of an environment, or changes what its tokens are given from now on; tokens of more than that end
 * before this returns. Safe to repeat.
 */
export async function saveAppRole(
  context: AppRoleContext,
  caller: Caller,
  place: Pick<EnvironmentRow, 'id' | 'project_id'>,
  name: string,
  settings: AppRoleSettings,
): Promise<Recorded<AppRoleRow> | Refusal> {
  const { ledger, random, clock, reader, propagation } = context;
  const excess = refuseGiving(caller, place, settings.scopes);
  if (excess !== null) return excess;
  const id = (await findAppRole(reader, place.id, name))?.id ?? random.newId('appRole');
  const where = { project: place.project_id, environment: place.id };
  const by = attribution(caller);
  const said = { ...attributionWith(caller, { ...settings, name }), code: settings.scopes.join(',') };
  const draft = { ...said, action: 'app-role.saved', subject: id, ...where, locks: [id] };
  const saved = await ledger.record(draft, async (facts) => {
    const known = await findAppRole(facts.db, place.id, name);
    if (known !== undefined && known.id !== id) return refuse('ILLEGAL_TRANSITION', 'It was made at this moment.');
    const row = await facts.find('app_roles', id);
    if (row !== undefined && row.state !== 'active')
      return refuse('ILLEGAL_TRANSITION', 'It was removed at this moment.');
    const columns = {
      ...{ scopes: JSON.stringify(settings.scopes), token_ttl: settings.tokenTtlSeconds },
      ...{ secret_ttl: settings.secretTtlSeconds, secret_uses: settings.secretUses },
      networks: JSON.stringify(settings.networks),
    };
    if (row !== undefined) return await facts.update('app_roles', row, columns);
    if ((await countAppRoles(facts.db, place.id)) >= MAX_ROLES)
      return refuse('INVALID_INPUT', `${MAX_ROLES} roles are the most in an environment.`);
    const made = { id, project_id: place.project_id, environment_id: place.id, name, role_id: randomUUID() };
    return await facts.insert('app_roles', { ...made, ...columns, state: 'active', created_at: clock.wall() });
  });
  if (isRefusal(saved)) return saved;
  const isMore = ({ scopes }: TokenRow) =>
    (JSON.parse(scopes) as Scope[]).some((scope) => !settings.scopes.includes(scope));
  const { sequence } = await endTokensOf(context, by, { id, actors: await secretIdsOf(reader, id) }, isMore);
  if (sequence !== null) await propagation.taken(sequence, new Set([place.id]));
  return saved;
}

const AT_ONCE = 50;

/** Removes it, its secret ids and its tokens; when this returns none of them opens anything. Safe to repeat. */
export async function removeAppRole(
  context: AppRoleContext,
  caller: Caller,
  role: Pick<AppRoleRow, 'id' | 'project_id' | 'environment_id'>,
): Promise<Refusal | null> {
  const ended = await endAppRole(context, attribution(caller), role);
  if (isRefusal(ended)) return ended;
  await context.propagation.taken(context.ledger.head.sequence, null);
  return null;
}

/**
 * Ends it, its secret ids and its tokens; whoever calls waits for the barrier. It works on rows that somebody wrote past
 * the ledger too.
 * @param also what is written in the entry that ends it
 */
export async function endAppRole(
  { ledger, reader, clock }: Pick<AppRoleContext, 'ledger' | 'reader' | 'clock'>,
  by: Attribution,
  { id, project_id: project, environment_id: environment }: Pick<AppRoleRow, 'id' | 'project_id' | 'environment_id'>,
  also?: (facts: Facts) => Promise<unknown>,
): Promise<Recorded<unknown> | Refusal> {
  const draft = { ...by, subject: id, project, environment };
  const removed = await ledger.record({ ...draft, action: 'app-role.removed', locks: [id] }, async (facts) => {
    const role = await facts.takeAway('app_roles', id, { state: 'removed' });
    await also?.(facts);
    return role ?? null;
  });
  if (isRefusal(removed)) return removed;
  // No secret id is made any more, nor anything given for one: each of that holds the role too.
  const secrets = await secretIdsOf(reader, id);
  for (let i = 0; i < secrets.length; i += AT_ONCE) {
    const some = secrets.slice(i, i + AT_ONCE);
    const emptied = { ...draft, idempotency: undefined, action: 'app-role.emptied', locks: some };
    const recorded = await ledger.record(emptied, async (facts) => {
      for (const one of some) await facts.takeAway('app_role_secrets', one, { state: 'destroyed' });
      return null;
    });
    if (isRefusal(recorded)) return recorded;
  }
  await endTokensOf({ ledger, reader, clock }, by, { id, actors: secrets });
  return removed;
}
