import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import { type SecretMetadata as Metadata, SecretMetadata } from '@keyhold/protocol/operations/secrets';
import { Compile } from 'typebox/compile';
import { createSecret } from '../secrets/create-secret.ts';
import { listVisible } from '../secrets/open-secret.ts';
import { removeSecret } from '../secrets/remove-secret.ts';
import { showSecret, showVersion } from '../secrets/secret-record.ts';
import { findSecretByPath, listVersions } from '../secrets/secrets.store.ts';
import { updateSecret } from '../secrets/update-secret.ts';
import { readBoolean } from './boolean.ts';
import { readDuration } from './duration.ts';
import { find, isObject, versionMetadata } from './kv-data.ts';
import { folderPrefix, namesBelow, secretPath } from './kv-path.ts';
import { wholeNumber } from './whole-number.ts';
import { data, errors, NO_CONTENT, NOT_THERE, refusalAnswer, type VaultAnswer } from './vault-answer.ts';
import type { VaultApi, VaultCall } from './vault-call.ts';

const metadataShape = Compile(SecretMetadata);
const PAGE = 1_000;
const MAX_VERSIONS = 10_000;

/** `secret/metadata/…`: read, list, settings, removal with all versions. */
export async function kvMetadata(api: VaultApi, call: VaultCall): Promise<VaultAnswer> {
  switch (call.method) {
    case 'LIST':
      return await list(api, call);
    case 'GET':
      return await read(api, call);
    case 'POST':
    case 'PATCH':
      return await change(api, call);
    case 'DELETE': {
      const secret = await find(api, call, 'secrets.destroy');
      if (isRefusal(secret)) return secret.refused === 'SECRET_NOT_FOUND' ? NO_CONTENT : refusalAnswer(secret);
      const removed = await removeSecret(api.vault, call.caller, secret);
      return isRefusal(removed) ? refusalAnswer(removed) : { ...NO_CONTENT, sequence: removed.sequence };
    }
  }
}

async function list({ reader }: VaultApi, call: VaultCall): Promise<VaultAnswer> {
  const place = await call.open('secrets.read');
  if (isRefusal(place)) return refusalAnswer(place);
  const prefix = folderPrefix(call.path);
  const paths: string[] = [];
  for (let after: string | undefined; ; ) {
    const filter = { environment: place.environment.id, ...(prefix === '' ? {} : { prefix }), after, limit: PAGE };
    const page = await listVisible(reader, call.caller.principal, filter);
    paths.push(...page.map(({ path }) => path));
    if (page.length < PAGE) break;
    after = page.at(-1)?.path;
  }
  return paths.length === 0 ? NOT_THERE : data({ keys: namesBelow(prefix, paths) });
}

async function read(api: VaultApi, call: VaultCall): Promise<VaultAnswer> {
  const secret = await find(api, call, 'secrets.read');
  if (isRefusal(secret)) return refusalAnswer(secret);
  const shown = showSecret(secret, secret);
  const now = api.vault.clock.wall();
  const rows = await listVersions(api.reader, secret.id, undefined, MAX_VERSIONS);
  const versions = Object.fromEntries(
    rows.toReversed().map((row) => {
      const { version, ...metadata } = versionMetadata(showVersion(row, now));
      return [version, metadata];
    }),
  );
  return data({
    cas_required: shown.casRequired,
    created_time: shown.createdAt,
    current_version: shown.version,
    custom_metadata: shown.metadata.custom ?? null,
    delete_version_after: '0s',
    max_versions: shown.maxVersions,
    oldest_version: rows.findLast(({ envelope }) => envelope !== null)?.version ?? 0,
    updated_time: shown.updatedAt,
    versions,
  });
}

async function change(api: VaultApi, call: VaultCall): Promise<VaultAnswer> {
  const { max_versions, cas_required, custom_metadata, delete_version_after } = call.body;
  const path = secretPath(call.path);
  if (path === null) return errors(400, 'this is not a path of a secret');
  const place = await call.open('secrets.write', path);
  if (isRefusal(place)) return refusalAnswer(place);
  const after = delete_version_after === undefined ? 0 : readDuration(delete_version_after);
  if (after === null) return errors(400, 'delete_version_after is not a duration');
  if (after !== 0) return errors(400, 'delete_version_after is set for the whole mount: secret/config');
  const maxVersions = max_versions === undefined ? undefined : wholeNumber(max_versions);
  if (maxVersions === null || (maxVersions ?? 0) > MAX_VERSIONS) {
    return errors(400, `max_versions is a number from 0 to ${MAX_VERSIONS}`);
  }
  const casRequired = cas_required === undefined ? undefined : readBoolean(cas_required);
  if (casRequired === null) return errors(400, 'cas_required is true or false');
  const known = await findSecretByPath(api.reader, place.environment.id, path);
  // Only a write makes a secret.
  if (known === undefined && call.method === 'PATCH') return NOT_THERE;
  const settings = {
    ...(maxVersions === undefined ? {} : { maxVersions }),
    ...(casRequired === undefined ? {} : { casRequired }),
  };
  const metadata = withCustom(custom_metadata, call.method === 'PATCH');
  const first = metadata({});
  if (isRefusal(first)) return refusalAnswer(first);
  const changed =
    known === undefined
      ? await createSecret(api.vault, call.caller, place, { path, ...settings, metadata: first })
      : await updateSecret(api.vault, call.caller, known, { ...settings, metadata });
  return isRefusal(changed) ? refusalAnswer(changed) : NO_CONTENT;
}

/** The given ones instead of those that are there; with PATCH laid over them, null taking one away. */
function withCustom(given: unknown, merged: boolean): (stored: Metadata) => Metadata | Refusal {
  return (stored) => {
    if (given === undefined || given === null) return stored;
    if (!isObject(given)) return refuse('INVALID_INPUT', 'custom_metadata is an object');
    const all = Object.entries(merged ? { ...stored.custom, ...given } : given);
    const metadata = { ...stored, custom: Object.fromEntries(all.filter(([, value]) => value !== null)) };
    if (metadataShape.Check(metadata)) return metadata;
    return refuse('INVALID_INPUT', 'custom_metadata is up to 64 texts of up to 512 characters');
  };
}
