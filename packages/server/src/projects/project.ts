import type { RateLimit } from '@keyhold/protocol/feed';
import type { DialectSettings } from '@keyhold/protocol/dialects/settings';
import type { Consumer, Environment, PermissionSetting, Project, Signing } from '@keyhold/protocol/operations/projects';
import type {
  ConsumerRow,
  EnvironmentRow,
  KeyRulesRow,
  PermissionSettingRow,
  ProjectRow,
  SigningSettingsRow,
} from '../database/schema.ts';
import type { Rules } from '@keyhold/protocol/operations/rules';

/** How the things of this room are shown. */

export function showProject({ id, slug, name, created_at }: ProjectRow): Project {
  return { id, slug, name, createdAt: new Date(created_at).toISOString() };
}

export function showEnvironment(row: EnvironmentRow, slug: string): Environment {
  return {
    id: row.id,
    project: slug,
    name: row.name,
    prefix: row.prefix,
    kind: row.kind,
    leaseSeconds: row.lease_seconds,
    afterLease: row.after_lease,
    createdAt: new Date(row.created_at).toISOString(),
  };
}

export function showSetting({ permission, confirm, audit }: PermissionSettingRow): PermissionSetting {
  return { permission, confirm, audit };
}

/** None are set: requests are not signed. */
export function showSigning(row: SigningSettingsRow | undefined): Signing {
  return {
    dialects: row === undefined ? [] : (JSON.parse(row.dialects) as DialectSettings[]),
    replay: row?.replay ?? 'shared',
    replayReads: row?.replay_reads ?? 'refuse',
  };
}

/** None are set: keys may be whatever they are. */
export function showRules(row: KeyRulesRow | undefined): Rules {
  const withoutNetworks = row?.without_networks ?? null;
  return {
    withdrawals: row === undefined ? [] : (JSON.parse(row.withdrawals) as string[]),
    withoutNetworks: withoutNetworks === null ? null : (JSON.parse(withoutNetworks) as Rules['withoutNetworks']),
    secondFactor: row === undefined ? [] : (JSON.parse(row.second_factor) as string[]),
    unusedDays: row?.unused_days ?? null,
  };
}

export function showConsumer(row: ConsumerRow, slug: string): Consumer {
  return {
    id: row.id,
    project: slug,
    name: row.name,
    externalId: row.external_id,
    rateLimits: JSON.parse(row.rate_limits) as RateLimit[],
    metadata: row.metadata === null ? null : (JSON.parse(row.metadata) as Record<string, unknown>),
    createdAt: new Date(row.created_at).toISOString(),
  };
}
