import { isRefusal } from '@keyhold/protocol/errors';
import { openSettings } from '../secrets/find-secret-settings.ts';
import { setSecretSettings } from '../secrets/set-secret-settings.ts';
import { readBoolean } from './boolean.ts';
import { readDuration, writeDuration } from './duration.ts';
import { wholeNumber } from './whole-number.ts';
import { data, errors, NO_CONTENT, refusalAnswer, type VaultAnswer } from './vault-answer.ts';
import type { VaultApi, VaultCall } from './vault-call.ts';

const MAX_VERSIONS = 10_000;

/** `secret/config`: what holds for all secrets of the environment. */
export async function kvConfig(api: VaultApi, call: VaultCall): Promise<VaultAnswer> {
  if (call.method === 'GET') {
    const place = await call.open('secrets.read');
    if (isRefusal(place)) return refusalAnswer(place);
    const row = await openSettings(api.vault, place.environment.id);
    if (row !== undefined && isRefusal(row)) return refusalAnswer(row);
    return data({
      cas_required: row?.cas_required === 1,
      delete_version_after: writeDuration(row?.delete_after_seconds ?? 0),
      max_versions: row?.max_versions ?? 0,
    });
  }
  if (call.method !== 'POST') return errors(405, 'unsupported operation');
  const { max_versions, cas_required, delete_version_after } = call.body;
  const place = await call.open('secrets.write');
  if (isRefusal(place)) return refusalAnswer(place);
  const deleteAfterSeconds = delete_version_after === undefined ? undefined : readDuration(delete_version_after);
  if (deleteAfterSeconds === null) return errors(400, 'delete_version_after is not a duration');
  const maxVersions = max_versions === undefined ? undefined : wholeNumber(max_versions);
  if (maxVersions === null || (maxVersions ?? 0) > MAX_VERSIONS) {
    return errors(400, `max_versions is a number from 0 to ${MAX_VERSIONS}`);
  }
  const casRequired = cas_required === undefined ? undefined : readBoolean(cas_required);
  if (casRequired === null) return errors(400, 'cas_required is true or false');
  const set = await setSecretSettings(api.vault, call.caller, place, {
    ...(maxVersions === undefined ? {} : { maxVersions }),
    ...(casRequired === undefined ? {} : { casRequired }),
    ...(deleteAfterSeconds === undefined ? {} : { deleteAfterSeconds }),
  });
  return isRefusal(set) ? refusalAnswer(set) : NO_CONTENT;
}
