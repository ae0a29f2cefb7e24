import type { Scope } from '@keyhold/protocol/state';
import { packNetworks } from '@keyhold/verifier/networks';
import { APP_ROLE_SCOPES, type AppRoleSettings, settingsOf, tokenTtlOf } from '../access/app-roles/app-role.ts';
import type { AppSecretLimits } from '../access/app-roles/create-app-secret.ts';
import type { AppRoleRow, AppRoleSecretRow } from '../database/workload-rows.ts';
import { readDuration } from './duration.ts';
import { wholeNumber } from './whole-number.ts';

const MAX_TTL_SECONDS = 3_600;
const MAX_SECRET_TTL_SECONDS = 10 * 365 * 86_400;
const MAX_NETWORKS = 100;

type Body = Readonly<Record<string, unknown>>;

/** What of Vault's settings there is here; what there is not is refused, not passed over. */
const IGNORED_IF = new Map<string, readonly unknown[]>([
  ['bind_secret_id', [true, 'true']],
  ['local_secret_ids', [false, 'false']],
  ['token_period', [0, '0', '']],
  ['token_num_uses', [0, '0']],
  ['token_explicit_max_ttl', [0, '0', '']],
  ['token_no_default_policy', [true, false, 'true', 'false']],
  ['token_type', ['', 'default', 'default-service', 'service']],
]);

/** Settings of a role as a body has them, over those that it had; or what is wrong. What is answered can be sent back. */
export function readSettings(body: Body, before: AppRoleSettings): AppRoleSettings | string {
  const { token_policies, policies, token_ttl, token_max_ttl, ...others } = withoutNull(body);
  const { secret_id_ttl, secret_id_num_uses, secret_id_bound_cidrs, ...rest } = others;
  const stray = strayName(rest);
  if (stray !== undefined) return `${stray} is not supported`;
  const scopes = textsOf(token_policies ?? policies, before.scopes) as readonly Scope[] | null;
  const unknown = scopes?.find((scope) => !APP_ROLE_SCOPES.includes(scope));
  if (scopes === null || scopes.length === 0 || unknown !== undefined)
    return `token_policies are scopes of Keyhold: ${APP_ROLE_SCOPES.join(', ')}`;
  const tokenTtlSeconds = durationOf(token_ttl, before.tokenTtlSeconds);
  if (tokenTtlSeconds === null || tokenTtlSeconds > MAX_TTL_SECONDS)
    return `token_ttl is a duration of up to ${MAX_TTL_SECONDS} seconds`;
  // Tokens are not renewed: none lasts longer than it was made for.
  const most = durationOf(token_max_ttl, 0);
  if (most === null || (most !== 0 && most < tokenTtlOf({ tokenTtlSeconds })))
    return 'token_max_ttl is a duration, no shorter than token_ttl';
  const limits = readLimits(
    { ttl: secret_id_ttl, num_uses: secret_id_num_uses, cidr_list: secret_id_bound_cidrs },
    { ttlSeconds: before.secretTtlSeconds, uses: before.secretUses, networks: before.networks },
  );
  if (typeof limits === 'string') return limits;
  const { ttlSeconds: secretTtlSeconds, uses: secretUses, networks } = limits;
  return { scopes: [...new Set(scopes)], tokenTtlSeconds, secretTtlSeconds, secretUses, networks };
}

/** Limits of a secret id as a body has them; or what is wrong. */
export function readSecretLimits(body: Body, role: AppRoleRow): AppSecretLimits | string {
  const { metadata: _metadata, ttl, num_uses, cidr_list, ...rest } = withoutNull(body);
  const stray = strayName(rest);
  if (stray !== undefined) return `${stray} is not supported`;
  const { secretTtlSeconds: ttlSeconds, secretUses: uses } = settingsOf(role);
  const limits = readLimits({ ttl, num_uses, cidr_list }, { ttlSeconds, uses, networks: [] });
  if (typeof limits === 'string') return limits;
  if (isWider(limits.ttlSeconds, ttlSeconds) || isWider(limits.uses, uses))
    return 'a secret ID is good for no longer, and no more often, than its role says';
  return limits;
}

/** 0 is without an end. */
const isWider = (wanted: number, most: number) => most !== 0 && (wanted === 0 || wanted > most);

/** Null is what was left out. */
const withoutNull = (body: Body): Body =>
  Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));

/** What is asked for that there is not. */
function strayName(rest: Body): string | undefined {
  const stray = Object.entries(rest).find(([name, value]) => {
    const known = IGNORED_IF.get(name);
    const isNothing = value === '' || (Array.isArray(value) && value.length === 0);
    return known === undefined ? !isNothing : !known.includes(value);
  });
  return stray?.[0];
}

/** Seconds; null where it is no duration. */
function durationOf(value: unknown, otherwise: number): number | null {
  if (value === undefined) return otherwise;
  return value === '' ? 0 : readDuration(value);
}

function readLimits(body: Body, before: AppSecretLimits): AppSecretLimits | string {
  const ttlSeconds = body['ttl'] === undefined || body['ttl'] === '' ? before.ttlSeconds : readDuration(body['ttl']);
  if (ttlSeconds === null || ttlSeconds > MAX_SECRET_TTL_SECONDS) return 'the lifetime of a secret ID is a duration';
  const uses = body['num_uses'] === undefined ? before.uses : wholeNumber(body['num_uses']);
  if (uses === null) return 'the uses of a secret ID are a number';
  const networks = textsOf(body['cidr_list'], before.networks);
  if (networks === null || networks.length > MAX_NETWORKS || !(packNetworks(networks) instanceof Uint8Array))
    return 'networks are CIDR blocks or addresses';
  return { ttlSeconds, uses, networks };
}

/** A list, or a text with commas in it; null where it is neither. */
function textsOf(value: unknown, otherwise: readonly string[]): readonly string[] | null {
  if (value === undefined) return otherwise;
  const items: unknown[] = typeof value === 'string' ? value.split(',') : Array.isArray(value) ? value : [null];
  if (!items.every((item) => typeof item === 'string')) return null;
  return (items as string[]).map((item) => item.trim()).filter((item) => item !== '');
}

export function showRole(role: AppRoleRow) {
  const { scopes, tokenTtlSeconds, secretTtlSeconds, secretUses, networks } = settingsOf(role);
  return {
    ...{
      bind_secret_id: true,
      local_secret_ids: false,
      secret_id_bound_cidrs: networks.length === 0 ? null : networks,
    },
    ...{ secret_id_num_uses: secretUses, secret_id_ttl: secretTtlSeconds, token_policies: scopes, policies: scopes },
    ...{ token_ttl: tokenTtlSeconds, token_max_ttl: 0, token_bound_cidrs: [], token_num_uses: 0 },
    ...{ token_period: 0, token_explicit_max_ttl: 0, token_no_default_policy: true, token_type: 'default' },
  };
}

export function showSecret(row: AppRoleSecretRow, { networks }: AppRoleRow) {
  const at = (ms: number | null) => (ms === null ? '0001-01-01T00:00:00Z' : new Date(ms).toISOString());
  const ttl = row.expires_at === null ? 0 : Math.round((row.expires_at - row.created_at) / 1000);
  return {
    ...{ secret_id_accessor: row.id, secret_id_num_uses: row.uses_left ?? 0, secret_id_ttl: ttl },
    ...{ cidr_list: JSON.parse(row.networks) as string[], token_bound_cidrs: [], metadata: {} },
    ...{
      creation_time: at(row.created_at),
      last_updated_time: at(row.created_at),
      expiration_time: at(row.expires_at),
    },
    secret_id_bound_cidrs: JSON.parse(networks) as string[],
  };
}
