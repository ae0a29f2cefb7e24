import { refuse } from '@keyhold/protocol/errors';
import type { Rules } from '@keyhold/protocol/operations/rules';
import type { PermissionSettingRow } from '../database/schema.ts';

type Setting = Pick<PermissionSettingRow, 'confirm' | 'audit'>;

export const TIGHTENED_MEANWHILE = refuse(
  'FORBIDDEN',
  'Somebody tightened it just now: look again, and send it again.',
);

/** Whether uses of a permission would be confirmed or audited less than before. */
export function loosensSetting(before: Setting | undefined, after: Setting): boolean {
  if (before === undefined) return false;
  return (before.confirm !== null && after.confirm === null) || (before.audit !== null && after.audit === null);
}

/** Whether keys would have to be less than before. In doubt they would. */
export function loosensRules(before: Rules, after: Rules): boolean {
  return (
    lacks(after.withdrawals, before.withdrawals) ||
    lacks(after.secondFactor, before.secondFactor) ||
    isLater(before.unusedDays, after.unusedDays) ||
    isLater(before.withoutNetworks?.days ?? null, after.withoutNetworks?.days ?? null) ||
    lacks(after.withoutNetworks?.permissions ?? [], before.withoutNetworks?.permissions ?? [])
  );
}

function lacks(after: readonly string[], before: readonly string[]): boolean {
  return before.some((one) => !after.includes(one));
}

/** @param before days; null: never */
function isLater(before: number | null, after: number | null): boolean {
  return (after ?? Number.POSITIVE_INFINITY) > (before ?? Number.POSITIVE_INFINITY);
}
