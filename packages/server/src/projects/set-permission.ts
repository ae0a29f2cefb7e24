import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import type { PermissionSetting } from '@keyhold/protocol/operations/projects';
import type { Barrier } from '@keyhold/protocol/operations/shapes';
import { attributionWith, type Caller, type ChangeContext } from '../access/change-context.ts';
import type { EnvironmentRow } from '../database/schema.ts';
import { loosensSetting, TIGHTENED_MEANWHILE } from './loosening.ts';
import { showSetting } from './project.ts';
import { findSetting } from './projects.store.ts';

/**
 * Sets how uses of a permission are confirmed and audited; what is left out is unset.
 * @param mayLoosen false: whoever asks waited for nobody, for it did not loosen when he asked
 */
export async function setPermission(
  { ledger, random, propagation }: ChangeContext,
  caller: Caller,
  environment: EnvironmentRow,
  setting: { permission: string; confirm?: 'online' | null; audit?: 'every-use' | null },
  mayLoosen: boolean,
): Promise<{ setting: PermissionSetting; barrier: Barrier; sequence: number } | Refusal> {
  const { permission } = setting;
  const columns = { confirm: setting.confirm ?? null, audit: setting.audit ?? null };
  const draft = {
    ...attributionWith(caller, { permission, ...columns }),
    action: 'permission.set',
    subject: environment.id,
    project: environment.project_id,
    environment: environment.id,
    locks: [environment.id],
  };
  const recorded = await ledger.record(draft, async (facts) => {
    const found = await findSetting(facts.db, environment.id, permission);
    if (found === undefined) {
      const id = random.newId('setting');
      return await facts.insert('permission_settings', { id, environment_id: environment.id, permission, ...columns });
    }
    const checked = await facts.find('permission_settings', found.id);
    if (!mayLoosen && loosensSetting(checked, columns)) return TIGHTENED_MEANWHILE;
    return await facts.update('permission_settings', checked ?? found, columns);
  });
  if (isRefusal(recorded)) return recorded;
  // A request that was decided alone may now need the control plane: a taking-away. Unchanged, it waits for the
  // newest entry instead of searching for its own.
  const sequence = Math.max(recorded.sequence, ledger.head.sequence);
  const barrier = await propagation.taken(sequence, new Set([environment.id]));
  return { setting: showSetting(recorded.value), barrier, sequence: recorded.sequence };
}
