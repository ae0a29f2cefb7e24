import { appRoles } from './approle.ts';
import { kvConfig } from './kv-config.ts';
import { kvData, kvVersions } from './kv-data.ts';
import { kvMetadata } from './kv-metadata.ts';
import { mounts, uiMounts } from './sys.ts';
import { transitDataKey, transitRandom, transitUse } from './transit.ts';
import { transitKeys } from './transit-keys.ts';
import { tokenSelf } from './token-self.ts';
import { echo, lookup, prepareWrap, rewrap, unwrap, wrapAnswer } from './wrapping.ts';
import { errors, NOT_THERE, type VaultAnswer } from './vault-answer.ts';
import type { VaultApi, VaultCall } from './vault-call.ts';

type Handler = (api: VaultApi, call: VaultCall) => Promise<VaultAnswer> | VaultAnswer;

/** What each path begins with, longest first where one begins like another. The rest of the path is the call's. */
const ROUTES: readonly (readonly [prefix: string, handler: Handler])[] = [
  ['secret/data/', kvData],
  ['secret/metadata/', kvMetadata],
  ['secret/delete/', (api, call) => onPost(call, () => kvVersions(api, call, 'delete'))],
  ['secret/undelete/', (api, call) => onPost(call, () => kvVersions(api, call, 'undelete'))],
  ['secret/destroy/', (api, call) => onPost(call, () => kvVersions(api, call, 'destroy'))],
  ['secret/config', kvConfig],
  ['transit/keys', transitKeys],
  ['transit/encrypt/', (api, call) => transitUse(api, call, 'encrypt')],
  ['transit/decrypt/', (api, call) => transitUse(api, call, 'decrypt')],
  ['transit/rewrap/', (api, call) => transitUse(api, call, 'rewrap')],
  ['transit/hmac/', (api, call) => transitUse(api, call, 'hmac')],
  ['transit/datakey/', transitDataKey],
  ['transit/random', (_api, call) => transitRandom(call)],
  ['auth/token/', tokenSelf],
  ['auth/approle/role', appRoles],
  ['sys/wrapping/', wrapping],
  ['sys/mounts', (api, call) => onGet(call, () => (call.path === '' ? mounts(api) : NOT_THERE))],
  ['sys/internal/ui/mounts', (api, call) => onGet(call, () => uiMounts(api, call.path.replace(/^\//, '')))],
];

/** Answers an authenticated call; `path` is everything behind `/v1/`. */
export async function dispatch(api: VaultApi, call: VaultCall): Promise<VaultAnswer> {
  // A list of the root is asked for with and without the slash.
  const path = call.path === 'secret/metadata' ? 'secret/metadata/' : call.path;
  const found = ROUTES.find(([prefix]) => isBelow(path, prefix));
  if (found === undefined) return NOT_THERE;
  const [prefix, handler] = found;
  const here = { ...call, path: path.slice(prefix.length) };
  if (call.wrapTtl === null) return await handler(api, here);
  // Settled before anything is done: what was done and can't be answered would be lost.
  const prepared = await prepareWrap(api, call, call.wrapTtl);
  return 'status' in prepared ? prepared : await wrapAnswer(api, call, await handler(api, here), prepared, path);
}

/** Prefixes that do not end in `/` are whole paths, or folders of them. */
function isBelow(path: string, prefix: string): boolean {
  return path.startsWith(prefix) && (prefix.endsWith('/') || path === prefix || path[prefix.length] === '/');
}

/** `sys/wrapping/…` of a caller with a token of his own; the wrapping token is in the body then. */
async function wrapping(api: VaultApi, call: VaultCall): Promise<VaultAnswer> {
  if (call.method !== 'POST') return errors(405, 'unsupported operation');
  if (call.path === 'wrap')
    return call.wrapTtl === null ? errors(400, 'endpoint requires response wrapping to be used') : echo(call);
  const token = typeof call.body['token'] === 'string' ? call.body['token'] : '';
  if (call.path === 'unwrap') return await unwrap(api, token, call.caller.ip, call.caller);
  if (call.path === 'lookup') return await lookup(api, token);
  return call.path === 'rewrap' ? await rewrap(api, call, token) : NOT_THERE;
}

function onGet({ method }: VaultCall, work: () => VaultAnswer): VaultAnswer {
  return method === 'GET' ? work() : errors(405, 'unsupported operation');
}

function onPost({ method }: VaultCall, work: () => Promise<VaultAnswer>): Promise<VaultAnswer> | VaultAnswer {
  return method === 'POST' ? work() : errors(405, 'unsupported operation');
}
