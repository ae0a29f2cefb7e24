import type { DialectSettings } from '@keyhold/protocol/dialects/settings';
import type { FeedRecord, Quota, RateLimit, RulesRecord } from '@keyhold/protocol/feed';
import type { Scope } from '@keyhold/protocol/state';
import type {
  AddressBookRow,
  ConsumerRow,
  CredentialRow,
  EnvironmentRow,
  KeyRow,
  KeyRulesRow,
  PermissionSettingRow,
  SignatureKeyRow,
  SigningSettingsRow,
  TokenRow,
} from '../database/schema.ts';
import type { ConsumerFactorRow, PasskeyRow } from '../database/factor-rows.ts';
import type { Addressed } from '../feed/scope.ts';

/** How rows are fed to verifiers, one function a table. */

type Fed = Addressed<FeedRecord>;

export function feedEnvironment(row: EnvironmentRow, slug: string): Fed {
  const { id, project_id, name, prefix, kind, after_lease } = row;
  return {
    record: {
      kind: 'environment',
      id,
      projectId: project_id,
      project: slug,
      name,
      prefix,
      environmentKind: kind,
      afterLease: after_lease,
    },
    projects: [project_id],
    environment: id,
  };
}

export function feedSetting(
  { id, environment_id, permission, confirm, audit }: PermissionSettingRow,
  project: string,
): Fed {
  return {
    record: { kind: 'setting', id, environment: environment_id, permission, confirm, audit },
    projects: [project],
    environment: environment_id,
  };
}

export function feedSigning(row: SigningSettingsRow): Fed {
  const { id, project_id, environment_id, replay } = row;
  const dialects = JSON.parse(row.dialects) as DialectSettings[];
  return {
    record: { kind: 'signing', id, environment: environment_id, dialects, replay, replayReads: row.replay_reads },
    projects: [project_id],
    environment: environment_id,
  };
}

export function feedRules(row: KeyRulesRow): Fed {
  const { id, project_id, environment_id, withdrawals, without_networks, second_factor } = row;
  return {
    record: {
      kind: 'rules',
      id,
      environment: environment_id,
      withdrawals: JSON.parse(withdrawals) as string[],
      withoutNetworks:
        without_networks === null ? null : (JSON.parse(without_networks) as RulesRecord['withoutNetworks']),
      secondFactor: JSON.parse(second_factor) as string[],
    },
    projects: [project_id],
    environment: environment_id,
  };
}

export function feedAddressBook({ id, project_id, environment_id, key_id, addresses }: AddressBookRow): Fed {
  return {
    record: { kind: 'address-book', id, key: key_id, addresses: JSON.parse(addresses) as string[] },
    projects: [project_id],
    environment: environment_id,
  };
}

/** One whose secret was destroyed is known to nobody any more. */
export function feedSignatureKey(row: SignatureKeyRow): Fed {
  const { id, credential_id: credential, algorithm, public_key: publicKey, envelope, vault_key_id: vaultKey } = row;
  const own = { kind: 'signature-key', id, credential } as const;
  const addressed = { projects: [row.project_id], environment: row.environment_id };
  if (algorithm !== 'hmac' && publicKey !== null) return { record: { ...own, algorithm, publicKey }, ...addressed };
  if (algorithm !== 'hmac' || envelope === null || vaultKey === null) return feedRemoval(id);
  return { record: { ...own, algorithm, envelope, vaultKey }, ...addressed };
}

/** One that was not confirmed, or was removed, is known to nobody. */
export function feedFactor(row: ConsumerFactorRow): Fed {
  const { id, project_id, environment_id, consumer_id, algorithm, used_step, vault_key_id, envelope } = row;
  if (row.state !== 'active') return feedRemoval(id);
  const own = { kind: 'factor', id, environment: environment_id, consumer: consumer_id } as const;
  const addressed = { projects: [project_id], environment: environment_id };
  if (algorithm === 'passkey') return { record: { ...own, type: 'passkey' }, ...addressed };
  if (envelope === null || vault_key_id === null) return feedRemoval(id);
  return {
    record: { ...own, type: 'totp', algorithm, usedStep: used_step ?? 0, envelope, vaultKey: vault_key_id },
    ...addressed,
  };
}

/** One that no device has made yet is known to nobody. */
export function feedPasskey(row: PasskeyRow): Fed {
  const { id, project_id, environment_id, factor_id, rp_id, credential_id, public_key } = row;
  if (credential_id === null || public_key === null) return feedRemoval(id);
  const origins = JSON.parse(row.origins) as string[];
  const of = { factor: factor_id, rpId: rp_id, origins, credentialId: credential_id, publicKey: public_key };
  return { record: { kind: 'passkey', id, ...of }, projects: [project_id], environment: environment_id };
}

export function feedConsumer({ id, project_id, rate_limits }: ConsumerRow): Fed {
  return {
    record: { kind: 'consumer', id, rateLimits: JSON.parse(rate_limits) as RateLimit[] },
    projects: [project_id],
    environment: null,
  };
}

export function feedKey(row: KeyRow, quotaUsed?: { at: number; used: number }): Fed {
  return {
    record: {
      kind: 'key',
      id: row.id,
      environment: row.environment_id,
      consumer: row.consumer_id,
      state: row.state,
      startsAt: row.starts_at,
      expiresAt: row.expires_at,
      permissions: JSON.parse(row.permissions) as string[],
      networks: JSON.parse(row.allowed_networks) as string[],
      rateLimits: JSON.parse(row.rate_limits) as RateLimit[],
      quota: row.quota === null ? null : (JSON.parse(row.quota) as Quota),
      metadata: row.metadata === null ? null : (JSON.parse(row.metadata) as Record<string, unknown>),
      ...(quotaUsed === undefined ? {} : { quotaUsed }),
    },
    projects: [row.project_id],
    environment: row.environment_id,
  };
}

export function feedCredential(row: CredentialRow): Fed {
  return {
    record: {
      kind: 'credential',
      id: row.id,
      key: row.key_id,
      digest: row.digest,
      state: row.state,
      startsAt: row.starts_at,
      expiresAt: row.expires_at,
    },
    projects: [row.project_id],
    environment: row.environment_id,
  };
}

/** `projectOf` the environment that the token is bound to. */
export function feedToken(row: TokenRow, projectOf: string | null): Fed {
  const projects = row.projects === null ? null : (JSON.parse(row.projects) as string[]);
  return {
    record: {
      kind: 'token',
      id: row.id,
      digest: row.digest,
      scopes: JSON.parse(row.scopes) as Scope[],
      projects,
      environment: row.environment_id,
      state: row.state,
      expiresAt: row.expires_at,
    },
    projects: projectOf === null ? projects : [projectOf],
    environment: row.environment_id,
  };
}

/** A row that somebody wrote past the ledger is withheld from everybody. */
export function feedRemoval(id: string): Fed {
  return { record: { kind: 'removed', id }, projects: null, environment: null };
}

/**
 * In place of rules that somebody wrote past the ledger, or took away: everything is a withdrawal and takes a second
 * factor, so that nothing is open which was closed.
 */
export function feedUnreadableRules(id: string, environment: string, project: string): Fed {
  const everything = ['*:*'];
  return {
    record: {
      kind: 'rules',
      id,
      environment,
      withdrawals: everything,
      withoutNetworks: null,
      secondFactor: everything,
    },
    projects: [project],
    environment,
  };
}

/** The same of a permission's setting: every use of anything is confirmed, and has an entry. */
export function feedUnreadableSetting(id: string, environment: string, project: string): Fed {
  return {
    record: { kind: 'setting', id, environment, permission: '*:*', confirm: 'online', audit: 'every-use' },
    projects: [project],
    environment,
  };
}
