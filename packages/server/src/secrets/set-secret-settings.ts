import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import { attributionWith, type Caller, namesSet } from '../access/change-context.ts';
import type { EnvironmentRow, ProjectRow, SecretSettingsRow } from '../database/schema.ts';
import type { Vault } from '../vault/vault.ts';
import { settingsId } from './find-secret-settings.ts';

export interface EnvironmentSecretSettings {
  readonly maxVersions?: number;
  readonly casRequired?: boolean;
  readonly deleteAfterSeconds?: number;
}

/** Sets what holds for all secrets of an environment; what isn't given stays. */
export async function setSecretSettings(
  { ledger, clock }: Vault,
  caller: Caller,
  { project, environment }: { readonly project: ProjectRow; readonly environment: EnvironmentRow },
  set: EnvironmentSecretSettings,
): Promise<SecretSettingsRow | Refusal> {
  const { maxVersions, casRequired, deleteAfterSeconds } = set;
  const draft = {
    ...attributionWith(caller, set),
    action: 'secret-settings.set',
    code: namesSet(set),
    subject: environment.id,
    project: project.id,
    environment: environment.id,
    locks: [environment.id],
  };
  const patch = {
    ...(maxVersions === undefined ? {} : { max_versions: maxVersions }),
    ...(casRequired === undefined ? {} : { cas_required: casRequired ? (1 as const) : (0 as const) }),
    ...(deleteAfterSeconds === undefined ? {} : { delete_after_seconds: deleteAfterSeconds }),
  };
  const recorded = await ledger.record(draft, async (facts) => {
    const id = await settingsId(facts.db, environment.id);
    const row = await facts.find('secret_settings', id);
    if (row !== undefined) return await facts.update('secret_settings', row, patch);
    return await facts.insert('secret_settings', {
      id,
      project_id: project.id,
      environment_id: environment.id,
      max_versions: 0,
      cas_required: 0,
      delete_after_seconds: 0,
      created_at: clock.wall(),
      ...patch,
    });
  });
  return isRefusal(recorded) ? recorded : recorded.value;
}
