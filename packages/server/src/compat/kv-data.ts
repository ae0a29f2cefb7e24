import { isRefusal, refuse } from '@keyhold/protocol/errors';
import type { SecretMetadata, SecretVersion } from '@keyhold/protocol/operations/secrets';
import type { Action } from '../access/authorise.ts';
import { allowAt } from '../access/locate.ts';
import { refuseUnnamed } from '../access/refuse-unnamed.ts';
import { findRounded } from '../http/json-body.ts';
import { changeVersions, type VersionChange } from '../secrets/change-versions.ts';
import { resourceOf } from '../secrets/open-secret.ts';
import { revealSecret } from '../secrets/reveal-secret.ts';
import type { PlacedSecret } from '../secrets/secret-record.ts';
import { showVersion } from '../secrets/secret-record.ts';
import { findSecretByPath, findVersions } from '../secrets/secrets.store.ts';
import { type NewVersion, storeSecret } from '../secrets/store-secret.ts';
import { expose } from '../vault/expose.ts';
import { secretPath } from './kv-path.ts';
import { data, errors, NO_CONTENT, NOT_THERE, refusalAnswer, type VaultAnswer } from './vault-answer.ts';
import type { VaultApi, VaultCall } from './vault-call.ts';

/** `secret/data/…`: read, write, patch, delete the newest version. */
export async function kvData(api: VaultApi, call: VaultCall): Promise<VaultAnswer> {
  switch (call.method) {
    case 'GET':
      return await read(api, call);
    case 'POST':
      return await write(api, call);
    case 'PATCH':
      return await patch(api, call);
    case 'DELETE':
      return await removeNewest(api, call);
    default:
      return errors(405, 'unsupported operation');
  }
}

async function read(api: VaultApi, call: VaultCall): Promise<VaultAnswer> {
  const secret = await findToReveal(api, call);
  if (isRefusal(secret)) return refusalAnswer(secret);
  const { version = '0' } = call.query;
  if (!/^\d{1,10}$/.test(version)) return errors(400, 'version must be a number');
  const wanted = version === '0' ? undefined : Number(version);
  const revealed = await revealSecret(api.vault, call.caller, secret, wanted);
  if (!isRefusal(revealed)) {
    const metadata = metadataOf(revealed.version, secret);
    const { id: carries, sequence } = revealed;
    return { ...data({ data: JSON.parse(expose(revealed.json)), metadata }), sequence, carries };
  }
  if (revealed.refused !== 'SECRET_VERSION_GONE') return refusalAnswer(revealed);
  // What is deleted is told apart from what never was: 404 with its metadata.
  const [gone] = await findVersions(api.reader, secret.id, [wanted ?? secret.version]);
  if (gone === undefined) return NOT_THERE;
  return data({ data: null, metadata: metadataOf(showVersion(gone, api.vault.clock.wall()), secret) }, 404);
}

async function write(api: VaultApi, call: VaultCall): Promise<VaultAnswer> {
  const content = call.body['data'];
  if (!isObject(content)) return errors(400, 'no data provided');
  return await store(api, call, { data: content });
}

/** RFC 7396, which is what Vault takes. */
async function patch(api: VaultApi, call: VaultCall): Promise<VaultAnswer> {
  const changes = call.body['data'];
  if (!isObject(changes)) return errors(400, 'no data provided');
  const secret = await findToReveal(api, call);
  if (isRefusal(secret)) return refusalAnswer(secret);
  const revealed = await revealSecret(api.vault, call.caller, secret, undefined);
  if (isRefusal(revealed)) return refusalAnswer(revealed);
  const merged = mergePatch(JSON.parse(expose(revealed.json)), changes) as Record<string, unknown>;
  return await store(api, call, { data: merged, readVersion: revealed.version.version });
}

async function store(
  api: VaultApi,
  call: VaultCall,
  content: Pick<NewVersion, 'data' | 'readVersion'>,
): Promise<VaultAnswer> {
  const path = secretPath(call.path);
  if (path === null) return errors(400, 'this is not a path of a secret');
  const place = await call.open('secrets.write', path);
  if (isRefusal(place)) return refusalAnswer(place);
  // Of what was sent: what a patch is laid over came back as it was.
  const lost = findRounded(call.body, 'data');
  if (lost !== undefined) return refusalAnswer(lost);
  const options = call.body['options'] ?? {};
  if (!isObject(options)) return errors(400, 'options is an object, such as {"cas": 1}');
  const named = options['cas'] ?? undefined;
  const cas = named === undefined ? undefined : casOf(named);
  if (cas === null) return errors(400, 'cas must be a number');
  const input = { path, ...content, ...(cas === undefined ? {} : { cas }) };
  const stored = await storeSecret(api.vault, call.caller, place, input);
  if (isRefusal(stored)) {
    // It is the field that is at fault, and it was not sent.
    const isMissing = stored.refused === 'CAS_MISMATCH' && stored.field === '/cas' && cas === undefined;
    return isMissing ? errors(400, 'check-and-set parameter required for this call') : refusalAnswer(stored);
  }
  return { ...data(metadataOf(stored.value.version, stored.value.secret.metadata)), sequence: stored.sequence };
}

async function removeNewest(api: VaultApi, call: VaultCall): Promise<VaultAnswer> {
  const secret = await find(api, call, 'secrets.write');
  // Vault answers 204 for what isn't there.
  if (isRefusal(secret)) return secret.refused === 'SECRET_NOT_FOUND' ? NO_CONTENT : refusalAnswer(secret);
  if (secret.version === 0) return NO_CONTENT;
  const changed = await changeVersions(api.vault, call.caller, secret, 'delete', [secret.version]);
  if (!isRefusal(changed)) return { ...NO_CONTENT, sequence: changed.sequence };
  return changed.refused === 'SECRET_VERSION_GONE' ? NO_CONTENT : refusalAnswer(changed);
}

/** `secret/delete|undelete|destroy/…` */
export async function kvVersions(api: VaultApi, call: VaultCall, change: VersionChange): Promise<VaultAnswer> {
  const wanted = versionsIn(call.body['versions']);
  if (wanted === null) return errors(400, 'no version number provided');
  const secret = await find(api, call, change === 'destroy' ? 'secrets.destroy' : 'secrets.write');
  if (isRefusal(secret)) return refusalAnswer(secret);
  // Versions that aren't there, or are destroyed, are passed over, as Vault does.
  const listed = [...wanted].filter((version) => version <= secret.version);
  let done: VaultAnswer = NO_CONTENT;
  for (let i = 0; i < listed.length; i += BATCH) {
    const found = await findVersions(api.reader, secret.id, listed.slice(i, i + BATCH));
    const batch = found.filter(({ envelope }) => envelope !== null).map(({ version }) => version);
    if (batch.length === 0) continue;
    const changed = await changeVersions(api.vault, call.caller, secret, change, batch);
    if (isRefusal(changed)) return refusalAnswer(changed);
    done = { ...NO_CONTENT, sequence: changed.sequence };
  }
  return done;
}

/** Versions as clients list them, as numbers or texts; null when anything in the list is none. */
function versionsIn(given: unknown): ReadonlySet<number> | null {
  if (!Array.isArray(given) || given.length === 0) return null;
  const isVersion = (one: unknown) =>
    typeof one === 'number'
      ? Number.isSafeInteger(one) && one > 0
      : typeof one === 'string' && /^[1-9]\d{0,9}$/.test(one);
  return given.every(isVersion) ? new Set(given.map(Number)) : null;
}

/** Versions of one entry, whose leaf is bounded. */
const BATCH = 50;

/** The secret at the call's path, where the caller may do this. */
export async function find(api: VaultApi, call: VaultCall, action: Action) {
  const path = secretPath(call.path);
  const place = await call.open(action, path ?? undefined);
  if (isRefusal(place)) return place;
  const secret = path === null ? undefined : await findSecretByPath(api.reader, place.environment.id, path);
  const absent = refuse('SECRET_NOT_FOUND', 'There is no such secret.');
  if (secret === undefined) return absent;
  return allowAt(call.caller.principal, action, { resource: resourceOf(secret), absent }) ?? secret;
}

/** The same for what leaves: with a token nobody confirms it, so a policy has to name it. */
async function findToReveal(api: VaultApi, call: VaultCall) {
  const secret = await find(api, call, 'secrets.reveal');
  return isRefusal(secret) ? secret : (refuseUnnamed(call.caller.principal) ?? secret);
}

/** Metadata of a version in Vault's words. */
export function versionMetadata({ createdAt, deletedAt, expiresAt, state, version }: SecretVersion) {
  return {
    created_time: createdAt,
    deletion_time: deletedAt ?? expiresAt ?? '',
    destroyed: state === 'destroyed',
    version,
  };
}

function metadataOf(version: SecretVersion, of: PlacedSecret | SecretMetadata) {
  const metadata =
    'path' in of ? (JSON.parse((of as PlacedSecret).metadata) as SecretMetadata) : (of as SecretMetadata);
  return { ...versionMetadata(version), custom_metadata: metadata.custom ?? null };
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function mergePatch(target: unknown, changes: unknown): unknown {
  if (!isObject(changes)) return changes;
  const merged: Record<string, unknown> = isObject(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) delete merged[name];
    else merged[name] = mergePatch(merged[name], value);
  }
  return merged;
}

/** As Vault decodes it: a number, also as text; one below 0 is a version that nothing has. */
function casOf(value: unknown): number | null {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : null;
  return typeof value === 'string' && /^-?\d{1,9}$/.test(value) ? Number(value) : null;
}
