import { hash } from 'node:crypto';
import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import type { Scope } from '@keyhold/protocol/state';
import { attribution } from '../access/change-context.ts';
import { packNetworks } from '@keyhold/verifier/networks';
import { APP_ROLE_SCOPES, type AppRoleSettings, DEFAULT_SETTINGS, settingsOf } from '../access/app-roles/app-role.ts';
import * as store from '../access/app-roles/app-roles.store.ts';
import { type AppSecretLimits, createAppSecret, destroyAppSecret } from '../access/app-roles/create-app-secret.ts';
import { exchangeAppSecret } from '../access/app-roles/exchange-app-secret.ts';
import { removeAppRole, saveAppRole } from '../access/app-roles/save-app-role.ts';
import type { AppRoleRow, AppRoleSecretRow } from '../database/workload-rows.ts';
import { expose } from '../vault/expose.ts';
import { readDuration } from './duration.ts';
import { data, envelope, errors, NO_CONTENT, NOT_THERE, refusalAnswer, type VaultAnswer } from './vault-answer.ts';
import type { Located, VaultApi, VaultCall } from './vault-call.ts';
import { wholeNumber } from './whole-number.ts';

const MAX_TTL_SECONDS = 3_600;
const MAX_SECRET_TTL_SECONDS = 10 * 365 * 86_400;
const MAX_LISTED = 10_000;
const NAME = /^[A-Za-z0-9_.-]{1,100}$/;

type Body = VaultCall['body'];

/** `auth/approle/role…`: services that sign in with a role id and a secret id, per environment. */
export async function appRoles(api: VaultApi, call: VaultCall): Promise<VaultAnswer> {
  const [name = '', ...rest] = call.path.replace(/^\//, '').split('/');
  if (name === '') return call.method === 'LIST' ? await list(api, call) : UNSUPPORTED;
  if (!NAME.test(name)) return errors(400, 'a role is named by letters, digits, "-", "_" and "."');
  const place = await call.open(actionOf(call, rest));
  if (isRefusal(place)) return refusalAnswer(place);
  const role = await store.findAppRole(api.reader, place.environment.id, name);
  if (rest.length === 0 && call.method === 'POST') return await save(api, call, place, name, role);
  if (role === undefined) return call.method === 'POST' ? errors(400, `role "${name}" does not exist`) : NOT_THERE;
  if (rest.length > 0) return await within(api, call, role, rest);
  if (call.method === 'GET') return data(showRole(role));
  if (call.method !== 'DELETE') return UNSUPPORTED;
  const refused = await removeAppRole({ ...api.context, reader: api.reader }, call.caller, role);
  return refused === null ? NO_CONTENT : refusalAnswer(refused);
}

const UNSUPPORTED = errors(405, 'unsupported operation');

function actionOf({ method }: VaultCall, [, operation]: readonly string[]) {
  if (operation === 'destroy' || method === 'DELETE') return 'app-roles.remove';
  return method === 'POST' && operation !== 'lookup' ? 'app-roles.create' : 'app-roles.read';
}

async function list({ reader }: VaultApi, call: VaultCall): Promise<VaultAnswer> {
  const place = await call.open('app-roles.read');
  if (isRefusal(place)) return refusalAnswer(place);
  const roles = await store.listAppRoles(reader, place.environment.id);
  return roles.length === 0 ? NOT_THERE : data({ keys: roles.map(({ name }) => name) });
}

async function save(
  api: VaultApi,
  call: VaultCall,
  { environment }: Located,
  name: string,
  known: AppRoleRow | undefined,
): Promise<VaultAnswer> {
  const before = known === undefined ? { ...DEFAULT_SETTINGS, scopes: [] } : settingsOf(known);
  const settings = readSettings(call.body, before);
  if (typeof settings === 'string') return errors(400, settings);
  const context = { ...api.context, reader: api.reader };
  const saved = await saveAppRole(context, call.caller, environment, name, settings);
  return isRefusal(saved) ? refusalAnswer(saved) : NO_CONTENT;
}

/** What of Vault's settings there is here; what there is not is refused, not passed over. */
const IGNORED_IF: Readonly<Record<string, readonly unknown[]>> = {
  bind_secret_id: [true, 'true'],
  local_secret_ids: [false, 'false'],
  token_max_ttl: [0, '0', ''],
  token_period: [0, '0', ''],
  token_num_uses: [0, '0'],
  token_explicit_max_ttl: [0, '0', ''],
  token_no_default_policy: [true, false, 'true', 'false'],
  token_type: ['', 'default', 'default-service', 'service'],
};

function readSettings(body: Body, before: AppRoleSettings): AppRoleSettings | string {
  const { token_policies, policies, token_ttl, secret_id_ttl, secret_id_num_uses, secret_id_bound_cidrs, ...rest } =
    body;
  for (const [name, value] of Object.entries(rest)) {
    const listed = Array.isArray(value) && value.length === 0 ? '' : value;
    if (IGNORED_IF[name] === undefined ? listed !== '' : !IGNORED_IF[name].includes(value))
      return `${name} is not supported`;
  }
  const scopes = textsOf(token_policies ?? policies, before.scopes) as readonly Scope[] | null;
  const unknown = scopes?.find((scope) => !APP_ROLE_SCOPES.includes(scope));
  if (scopes === null || scopes.length === 0 || unknown !== undefined)
    return `token_policies are scopes of Keyhold: ${APP_ROLE_SCOPES.join(', ')}`;
  const tokenTtlSeconds = token_ttl === undefined ? before.tokenTtlSeconds : readDuration(token_ttl);
  if (tokenTtlSeconds === null || tokenTtlSeconds < 1 || tokenTtlSeconds > MAX_TTL_SECONDS)
    return `token_ttl is a duration of up to ${MAX_TTL_SECONDS} seconds`;
  const limits = readLimits(
    { ttl: secret_id_ttl, num_uses: secret_id_num_uses, cidr_list: secret_id_bound_cidrs },
    { ttlSeconds: before.secretTtlSeconds, uses: before.secretUses, networks: before.networks },
  );
  if (typeof limits === 'string') return limits;
  const { ttlSeconds: secretTtlSeconds, uses: secretUses, networks } = limits;
  return { scopes: [...new Set(scopes)], tokenTtlSeconds, secretTtlSeconds, secretUses, networks };
}

function readLimits(body: Body, before: AppSecretLimits): AppSecretLimits | string {
  const ttlSeconds = body['ttl'] === undefined || body['ttl'] === '' ? before.ttlSeconds : readDuration(body['ttl']);
  if (ttlSeconds === null || ttlSeconds > MAX_SECRET_TTL_SECONDS) return 'the lifetime of a secret ID is a duration';
  const uses = body['num_uses'] === undefined ? before.uses : wholeNumber(body['num_uses']);
  if (uses === null) return 'the uses of a secret ID are a number';
  const networks = textsOf(body['cidr_list'], before.networks);
  if (networks === null || networks.length > 100 || !(packNetworks(networks) instanceof Uint8Array))
    return 'networks are CIDR blocks or addresses';
  return { ttlSeconds, uses, networks };
}

/** A list, or a text with commas in it; null where it is neither. */
function textsOf(value: unknown, otherwise: readonly string[]): readonly string[] | null {
  if (value === undefined || value === null) return otherwise;
  const items: unknown[] = typeof value === 'string' ? value.split(',') : Array.isArray(value) ? value : [null];
  if (!items.every((item) => typeof item === 'string')) return null;
  return (items as string[]).map((item) => item.trim()).filter((item) => item !== '');
}

function showRole(role: AppRoleRow) {
  const { scopes, tokenTtlSeconds, secretTtlSeconds, secretUses, networks } = settingsOf(role);
  return {
    ...{
      bind_secret_id: true,
      local_secret_ids: false,
      secret_id_bound_cidrs: networks.length === 0 ? null : networks,
    },
    ...{ secret_id_num_uses: secretUses, secret_id_ttl: secretTtlSeconds, token_policies: scopes, policies: scopes },
    ...{ token_ttl: tokenTtlSeconds, token_max_ttl: tokenTtlSeconds, token_bound_cidrs: [], token_num_uses: 0 },
    ...{ token_period: 0, token_explicit_max_ttl: 0, token_no_default_policy: true, token_type: 'default' },
  };
}

/** What is below a role: its id, and its secret ids. */
async function within(
  api: VaultApi,
  call: VaultCall,
  role: AppRoleRow,
  [kind, operation, ...more]: readonly string[],
): Promise<VaultAnswer> {
  if (more.length > 0) return NOT_THERE;
  if (kind === 'role-id' && operation === undefined)
    return call.method === 'GET' ? data({ role_id: role.role_id }) : errors(400, 'role IDs are made here');
  if (kind === 'secret-id' && operation === undefined) {
    if (call.method === 'LIST') return await listSecrets(api, role);
    return call.method === 'POST' ? await makeSecret(api, call, role) : UNSUPPORTED;
  }
  const isAccessor = kind === 'secret-id-accessor';
  if (kind !== 'secret-id' && !isAccessor) return NOT_THERE;
  if (call.method !== 'POST' && call.method !== 'DELETE') return UNSUPPORTED;
  const found = await findSecret(api, call.body, role, isAccessor);
  if (operation === 'destroy') {
    const refused = found === undefined ? null : await destroyAppSecret(api.context, attribution(call.caller), found);
    return refused === null ? NO_CONTENT : refusalAnswer(refused);
  }
  if (operation !== 'lookup' || call.method !== 'POST') return UNSUPPORTED;
  return found === undefined ? (isAccessor ? NOT_THERE : NO_CONTENT) : data(showSecret(found, role));
}

async function listSecrets({ reader }: VaultApi, role: AppRoleRow): Promise<VaultAnswer> {
  const rows = await store.listSecrets(reader, role.id, MAX_LISTED);
  return rows.length === 0 ? NOT_THERE : data({ keys: rows.map(({ id }) => id) });
}

async function findSecret({ reader }: VaultApi, body: Body, role: AppRoleRow, isAccessor: boolean) {
  const given = body[isAccessor ? 'secret_id_accessor' : 'secret_id'];
  if (typeof given !== 'string') return undefined;
  const found = isAccessor
    ? await store.findAppSecret(reader, role.id, given)
    : await store.findSecretByDigest(reader, hash('sha256', given, 'hex'));
  return found?.app_role_id === role.id && found.state === 'active' ? found : undefined;
}

function showSecret(row: AppRoleSecretRow, { secret_ttl, networks }: AppRoleRow) {
  const at = (ms: number | null) => (ms === null ? '0001-01-01T00:00:00Z' : new Date(ms).toISOString());
  return {
    ...{ secret_id_accessor: row.id, secret_id_num_uses: row.uses_left ?? 0, secret_id_ttl: secret_ttl },
    ...{ cidr_list: JSON.parse(row.networks) as string[], token_bound_cidrs: [], metadata: {} },
    ...{
      creation_time: at(row.created_at),
      last_updated_time: at(row.created_at),
      expiration_time: at(row.expires_at),
    },
    secret_id_bound_cidrs: JSON.parse(networks) as string[],
  };
}

async function makeSecret(api: VaultApi, call: VaultCall, role: AppRoleRow): Promise<VaultAnswer> {
  const { metadata: _metadata, ttl, num_uses, cidr_list, ...rest } = call.body;
  const stray = Object.keys(rest).find(
    (name) => rest[name] !== '' && !(Array.isArray(rest[name]) && rest[name].length === 0),
  );
  if (stray !== undefined) return errors(400, `${stray} is not supported`);
  const { secretTtlSeconds, secretUses } = settingsOf(role);
  const limits = readLimits(
    { ttl, num_uses, cidr_list },
    { ttlSeconds: secretTtlSeconds, uses: secretUses, networks: [] },
  );
  if (typeof limits === 'string') return errors(400, limits);
  if (isWider(limits.ttlSeconds, secretTtlSeconds) || isWider(limits.uses, secretUses))
    return errors(400, 'a secret ID is good for no longer, and no more often, than its role says');
  const made = await createAppSecret(api.context, call.caller, role, limits);
  if (isRefusal(made)) return refusalAnswer(made);
  return data({
    ...{ secret_id: expose(made.secret), secret_id_accessor: made.row.id },
    ...{ secret_id_ttl: limits.ttlSeconds, secret_id_num_uses: limits.uses },
  });
}

/** 0 is without an end. */
const isWider = (wanted: number, most: number) => most !== 0 && (wanted === 0 || wanted > most);

/** `auth/approle/login`: takes no token. */
export async function appLogin(api: VaultApi, body: Body, ip: string): Promise<VaultAnswer> {
  const { role_id: roleId, secret_id: secretId } = body;
  if (typeof roleId !== 'string' || roleId === '') return errors(400, 'missing role_id');
  if (typeof secretId !== 'string' || secretId === '') return errors(400, 'missing secret_id');
  const signedIn = await exchangeAppSecret({ ...api.context, reader: api.reader }, ip, roleId, secretId);
  if (isRefusal(signedIn)) return refusedLogin(signedIn);
  const { role, tokenId, secret, expiresInSeconds } = signedIn;
  const { scopes } = settingsOf(role);
  return envelope({
    auth: {
      ...{ client_token: expose(secret), accessor: tokenId, policies: scopes, token_policies: scopes },
      ...{ metadata: { role_name: role.name }, lease_duration: expiresInSeconds, renewable: false },
      ...{ entity_id: '', token_type: 'service', orphan: true, num_uses: 0, mfa_requirement: null },
    },
  });
}

/** Vault says 400 of what opens nothing. */
function refusedLogin(refusal: Refusal): VaultAnswer {
  return refusal.refused === 'UNAUTHENTICATED' ? errors(400, refusal.detail) : refusalAnswer(refusal);
}
