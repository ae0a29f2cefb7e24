import { hash } from 'node:crypto';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import { DEFAULT_SETTINGS, isGood, settingsOf } from '../access/app-roles/app-role.ts';
import * as store from '../access/app-roles/app-roles.store.ts';
import { createAppSecret, destroyAppSecret, MAX_GOOD } from '../access/app-roles/create-app-secret.ts';
import { exchangeAppSecret } from '../access/app-roles/exchange-app-secret.ts';
import { removeAppRole, saveAppRole } from '../access/app-roles/save-app-role.ts';
import { attribution } from '../access/change-context.ts';
import type { AppRoleRow, AppRoleSecretRow } from '../database/workload-rows.ts';
import { readChecked, readCheckedRows } from '../ledger/checked-rows.ts';
import { expose } from '../vault/expose.ts';
import { readSecretLimits, readSettings, showRole, showSecret } from './approle-settings.ts';
import { data, envelope, errors, NO_CONTENT, NOT_THERE, refusalAnswer, type VaultAnswer } from './vault-answer.ts';
import type { Located, VaultApi, VaultCall } from './vault-call.ts';

const NAME = /^[A-Za-z0-9_.-]{1,100}$/;

type Body = VaultCall['body'];

/** `auth/approle/role…`: services that sign in with a role id and a secret id, per environment. */
export async function appRoles(api: VaultApi, call: VaultCall): Promise<VaultAnswer> {
  // Clients list `secret-id/`, too.
  const [name = '', ...rest] = call.path.replace(/^\/|\/$/g, '').split('/');
  if (name === '') return call.method === 'LIST' ? await list(api, call) : UNSUPPORTED;
  if (!NAME.test(name)) return errors(400, 'a role is named by letters, digits, "-", "_" and "."');
  const place = await call.open(actionOf(call, rest));
  if (isRefusal(place)) return refusalAnswer(place);
  if (rest.length === 0 && call.method === 'DELETE') return await remove(api, call, place, name);
  const role = await store.findAppRole(api.reader, place.environment.id, name);
  if (rest.length === 0 && call.method === 'POST') return await save(api, call, place, name, role);
  if (role === undefined) return call.method === 'POST' ? errors(400, `role "${name}" does not exist`) : NOT_THERE;
  if (rest.length > 0) return await within(api, call, role, rest);
  // Its id is how policies name it; clients pass over what they don't know.
  return call.method === 'GET' ? data({ ...showRole(role), keyhold_id: role.id }) : UNSUPPORTED;
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
  const { keyhold_id: _id, ...body } = call.body;
  const settings = readSettings(body, before);
  if (typeof settings === 'string') return errors(400, settings);
  const context = { ...api.context, reader: api.reader };
  const saved = await saveAppRole(context, call.caller, environment, name, settings);
  return isRefusal(saved) ? refusalAnswer(saved) : NO_CONTENT;
}

/** Also what was removed before: a call that was cut short is repeated. */
async function remove(api: VaultApi, call: VaultCall, { environment }: Located, name: string): Promise<VaultAnswer> {
  const { reader } = api;
  const roles = await store.rolesNamed(reader, environment.id, name);
  const ids = roles.map(({ id }) => id);
  const sound = (await readCheckedRows(reader, ['app_roles'], ids)).flatMap((one) =>
    'tampered' in one ? [] : [one.row],
  );
  for (const role of roles) {
    const refused = await removeAppRole({ ...api.context, reader }, call.caller, role);
    if (refused !== null) return refusalAnswer(refused);
  }
  if (sound.some((row) => (row as AppRoleRow).state === 'active')) return NO_CONTENT;
  // Where somebody wrote past the ledger, another may have had this name.
  const refused = await refuseTampered(api);
  return refused === null ? NO_CONTENT : refusalAnswer(refused);
}

async function refuseTampered({ reader }: VaultApi): Promise<Refusal | null> {
  for (let after = ''; ; ) {
    const { rows, last } = await readChecked(reader, 'app_roles', after, 500);
    const found = rows.find((checked) => 'tampered' in checked);
    if (found !== undefined && 'tampered' in found)
      return refuse('ROW_TAMPERED', `${found.tampered} is not what the ledger recorded: off-board it by its id.`);
    if (last === null) return null;
    after = last;
  }
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
    if (found === undefined) return NO_CONTENT;
    const destroyed = await destroyAppSecret(api.context, attribution(call.caller), found.id);
    return isRefusal(destroyed) ? refusalAnswer(destroyed) : { ...NO_CONTENT, sequence: destroyed.sequence };
  }
  if (operation !== 'lookup' || call.method !== 'POST') return UNSUPPORTED;
  if (found !== undefined && isGood(found, api.context.clock.wall())) return data(showSecret(found, role));
  return isAccessor ? NOT_THERE : NO_CONTENT;
}

async function listSecrets({ reader, context }: VaultApi, role: AppRoleRow): Promise<VaultAnswer> {
  const keys = await store.listGoodSecrets(reader, role.id, context.clock.wall(), MAX_GOOD);
  return keys.length === 0 ? NOT_THERE : data({ keys });
}

/** Whatever its row says of itself: who destroys it is not told that there is none. */
async function findSecret(
  { reader }: VaultApi,
  body: Body,
  role: AppRoleRow,
  isAccessor: boolean,
): Promise<AppRoleSecretRow | undefined> {
  const given = body[isAccessor ? 'secret_id_accessor' : 'secret_id'];
  if (typeof given !== 'string') return undefined;
  const found = isAccessor
    ? await store.findAppSecret(reader, given)
    : await store.findSecretByDigest(reader, hash('sha256', given, 'hex'));
  return found !== undefined && (await store.roleOfSecret(reader, found.id)) === role.id ? found : undefined;
}

async function makeSecret(api: VaultApi, call: VaultCall, role: AppRoleRow): Promise<VaultAnswer> {
  const limits = readSecretLimits(call.body, role);
  if (typeof limits === 'string') return errors(400, limits);
  const made = await createAppSecret(api.context, call.caller, role, limits);
  if (isRefusal(made)) return refusalAnswer(made);
  const answer = data({
    ...{ secret_id: expose(made.secret), secret_id_accessor: made.row.id },
    ...{ secret_id_ttl: limits.ttlSeconds, secret_id_num_uses: limits.uses },
  });
  return { ...answer, carries: made.row.id, sequence: made.sequence };
}

/** `auth/approle/login`: takes no token. */
export async function appLogin(api: VaultApi, body: Body, ip: string): Promise<VaultAnswer> {
  const { role_id: roleId, secret_id: secretId } = body;
  if (typeof roleId !== 'string' || roleId === '') return errors(400, 'missing role_id');
  if (typeof secretId !== 'string' || secretId === '') return errors(400, 'missing secret_id');
  const signedIn = await exchangeAppSecret({ ...api.context, reader: api.reader }, ip, roleId, secretId);
  if (isRefusal(signedIn)) return refusedLogin(signedIn);
  const { role, tokenId, secret, expiresInSeconds, sequence } = signedIn;
  const { scopes } = settingsOf(role);
  const answer = envelope({
    auth: {
      ...{ client_token: expose(secret), accessor: tokenId, policies: scopes, token_policies: scopes },
      ...{ metadata: { role_name: role.name }, lease_duration: expiresInSeconds, renewable: false },
      ...{ entity_id: '', token_type: 'service', orphan: true, num_uses: 0, mfa_requirement: null },
    },
  });
  return { ...answer, sequence };
}

/** Vault says 400 of what opens nothing. */
function refusedLogin(refusal: Refusal): VaultAnswer {
  return refusal.refused === 'UNAUTHENTICATED' ? errors(400, refusal.detail) : refusalAnswer(refusal);
}
