import type { CredentialKind, EnvironmentKind, PublicKeyAlgorithm, State } from '@keyhold/protocol/state';
import type { Purpose } from '@keyhold/protocol/sealed-field';
import type { ScratchTables } from './scratch-tables.ts';
import type { Fact } from './fact.ts';
import type { OffboardingRow } from './compliance-rows.ts';
import type { ConsumerFactorRow, PasskeyRow } from './factor-rows.ts';
import type {
  ApprovalRequestRow,
  ApprovalRow,
  BootstrapTokenRow,
  BreakGlassRow,
  CustomRoleRow,
  InvitationRow,
  PersonPasskeyRow,
  PersonPasswordRow,
  PersonRow,
  PolicyRow,
  RoleGrantRow,
  SessionRow,
} from './people-rows.ts';
import type { PersonIdentityRow, ScimGroupRow, ScimUserRow, SignOnRow } from './sign-on-rows.ts';
import type { TransitKeyRow, TransitKeyVersionRow } from './transit-rows.ts';
import type { AppRoleRow, AppRoleSecretRow, WorkloadRow } from './workload-rows.ts';

/**
 * Tables. Times are epoch milliseconds; JSON, hashes and random bytes (lower-case hex) are text, so that a row has
 * the same canonical form on every database.
 */
export interface Database extends FactTables, LedgerTables, ScratchTables {}

/** Written through `ledger.record` only. */
export interface FactTables {
  projects: ProjectRow;
  environments: EnvironmentRow;
  permission_settings: PermissionSettingRow;
  consumers: ConsumerRow;
  keys: KeyRow;
  credentials: CredentialRow;
  signature_keys: SignatureKeyRow;
  signing_settings: SigningSettingsRow;
  key_rules: KeyRulesRow;
  address_books: AddressBookRow;
  consumer_factors: ConsumerFactorRow;
  passkeys: PasskeyRow;
  workloads: WorkloadRow;
  app_roles: AppRoleRow;
  app_role_secrets: AppRoleSecretRow;
  tokens: TokenRow;
  bootstrap_tokens: BootstrapTokenRow;
  people: PersonRow;
  person_passkeys: PersonPasskeyRow;
  person_passwords: PersonPasswordRow;
  role_grants: RoleGrantRow;
  invitations: InvitationRow;
  sessions: SessionRow;
  policies: PolicyRow;
  custom_roles: CustomRoleRow;
  approval_requests: ApprovalRequestRow;
  approvals: ApprovalRow;
  break_glass: BreakGlassRow;
  offboardings: OffboardingRow;
  sign_ons: SignOnRow;
  person_identities: PersonIdentityRow;
  scim_users: ScimUserRow;
  scim_groups: ScimGroupRow;
  seals: SealRow;
  vault_keys: VaultKeyRow;
  secrets: SecretRow;
  secret_versions: SecretVersionRow;
  secret_settings: SecretSettingsRow;
  deliveries: DeliveryRow;
  transit_keys: TransitKeyRow;
  transit_key_versions: TransitKeyVersionRow;
  log_keys: LogKeyRow;
  personal_keys: PersonalKeyRow;
  period_keys: PeriodKeyRow;
  log_exports: LogExportRow;
}

export interface ProjectRow extends Fact {
  readonly slug: string;
  readonly name: string;
  readonly created_at: number;
}

export interface EnvironmentRow extends Fact {
  readonly project_id: string;
  readonly name: string;
  readonly prefix: string;
  readonly kind: EnvironmentKind;
  readonly lease_seconds: number;
  readonly after_lease: 'refuse' | 'serve';
  readonly created_at: number;
}

export interface PermissionSettingRow extends Fact {
  readonly environment_id: string;
  readonly permission: string;
  readonly confirm: 'online' | null;
  readonly audit: 'every-use' | null;
}

export interface ConsumerRow extends Fact {
  readonly project_id: string;
  readonly name: string;
  readonly external_id: string | null;
  /** JSON */
  readonly rate_limits: string;
  /** JSON */
  readonly metadata: string | null;
  readonly created_at: number;
}

export interface KeyRow extends Fact {
  readonly project_id: string;
  readonly environment_id: string;
  readonly consumer_id: string;
  readonly name: string;
  readonly state: State;
  readonly reason: string | null;
  /** JSON */
  readonly permissions: string;
  /** JSON */
  readonly allowed_networks: string;
  /** JSON */
  readonly rate_limits: string;
  /** JSON */
  readonly quota: string | null;
  /** JSON */
  readonly metadata: string | null;
  readonly starts_at: number | null;
  readonly expires_at: number | null;
  readonly created_at: number;
}

export interface CredentialRow extends Fact {
  readonly project_id: string;
  readonly environment_id: string;
  readonly key_id: string;
  readonly kind: CredentialKind;
  /** SHA-256 of the whole credential; of the id, where requests are signed: that is then what clients send. */
  readonly digest: string;
  readonly hint: string;
  readonly state: State;
  readonly reason: string | null;
  readonly starts_at: number | null;
  readonly expires_at: number | null;
  readonly created_at: number;
}

/** What a credential that signs is verified with. */
export interface SignatureKeyRow extends Fact {
  readonly project_id: string;
  readonly environment_id: string;
  readonly credential_id: string;
  readonly algorithm: PublicKeyAlgorithm | 'hmac';
  /** SubjectPublicKeyInfo, DER as lower-case hex; null of `hmac`. */
  readonly public_key: string | null;
  readonly vault_key_id: string | null;
  /** Of `hmac`: secret and passphrase. Null once it is destroyed. */
  readonly envelope: string | null;
  readonly created_at: number;
}

/** How requests of an environment may be signed; none: not at all. */
export interface SigningSettingsRow extends Fact {
  readonly project_id: string;
  readonly environment_id: string;
  /** JSON */
  readonly dialects: string;
  readonly replay: 'shared' | 'verifier';
  readonly replay_reads: 'refuse' | 'allow';
  readonly created_at: number;
}

/** What keys of an environment have to be like; none: whatever they are. */
export interface KeyRulesRow extends Fact {
  readonly project_id: string;
  readonly environment_id: string;
  /** JSON array of permissions. */
  readonly withdrawals: string;
  /** JSON */
  readonly without_networks: string | null;
  readonly unused_days: number | null;
  /** JSON array of permissions. */
  readonly second_factor: string;
  readonly created_at: number;
}

/** Where a key may send funds to; none: nowhere that rules ask for. */
export interface AddressBookRow extends Fact {
  readonly project_id: string;
  readonly environment_id: string;
  readonly key_id: string;
  /** JSON array. */
  readonly addresses: string;
}

export interface TokenRow extends Fact {
  readonly name: string;
  /** JSON */
  readonly scopes: string;
  /** JSON array of project ids; null: bound to none. */
  readonly projects: string | null;
  readonly environment_id: string | null;
  readonly digest: string;
  readonly hint: string;
  readonly state: State;
  readonly expires_at: number | null;
  readonly created_at: number;
}

/** What protects the root key; there is one. */
export interface SealRow extends Fact {
  readonly kind: 'file' | 'passphrase' | 'shamir' | 'pkcs11';
  /** JSON: what the seal's own key is made or recognised by; never a secret. */
  readonly parameters: string;
  readonly root_version: number;
  /** The root key, wrapped under the seal's key. */
  readonly root_key: string;
  /** The one before, while keys still lie under it. */
  readonly previous_root_key: string | null;
  readonly created_at: number;
}

/** A key of an environment, wrapped under the root key. */
export interface VaultKeyRow extends Fact {
  readonly project_id: string;
  readonly environment_id: string;
  readonly purpose: Purpose;
  /** From 1 on; the highest encrypts. */
  readonly version: number;
  readonly root_version: number;
  readonly wrapped: string;
  readonly created_at: number;
}

export interface SecretRow extends Fact {
  readonly project_id: string;
  readonly environment_id: string;
  readonly path: string;
  /** Newest version; 0 while there is none. */
  readonly version: number;
  /** Versions kept; 0: as many as the installation keeps by default. */
  readonly max_versions: number;
  /** 1: a write has to name the version that it replaces. */
  readonly cas_required: 0 | 1;
  /** JSON: what people want to know of it. */
  readonly metadata: string;
  readonly created_at: number;
  readonly updated_at: number;
}

export interface SecretVersionRow extends Fact {
  readonly project_id: string;
  readonly environment_id: string;
  readonly secret_id: string;
  readonly version: number;
  readonly vault_key_id: string;
  /** Null once it is destroyed. */
  readonly envelope: string | null;
  readonly deleted_at: number | null;
  /** It reads as deleted from then on. */
  readonly expires_at: number | null;
  readonly created_at: number;
}

/** What holds for all secrets of an environment, where a secret doesn't say otherwise. */
export interface SecretSettingsRow extends Fact {
  readonly project_id: string;
  readonly environment_id: string;
  /** 0: the default. */
  readonly max_versions: number;
  readonly cas_required: 0 | 1;
  /** A version reads as deleted so long after it was stored; 0: never. */
  readonly delete_after_seconds: number;
  readonly created_at: number;
}

/** Something that waits to be taken once. */
export interface DeliveryRow extends Fact {
  readonly project_id: string;
  readonly environment_id: string;
  /** Id of what is delivered. */
  readonly subject: string;
  /** SHA-256 of the token that takes it. */
  readonly digest: string;
  readonly vault_key_id: string;
  /** Null once it is taken. */
  readonly envelope: string | null;
  readonly taken_at: number | null;
  readonly expires_at: number;
  readonly created_at: number;
}

/** What the log's checkpoints are signed with; it lies in `default/production`, for the whole installation. */
export interface LogKeyRow extends Fact {
  readonly project_id: string;
  readonly environment_id: string;
  /** Name of the log, and of the key. */
  readonly origin: string;
  readonly algorithm: 'ed25519' | 'ml-dsa-44';
  /** Lower-case hex. */
  readonly public_key: string;
  readonly vault_key_id: string;
  /** The seed of the private key. */
  readonly envelope: string;
  readonly created_at: number;
}

/** What the personal parts of one subject's entries of one month lie under; erased with it. */
export interface PersonalKeyRow extends Fact {
  readonly project_id: string;
  readonly environment_id: string;
  readonly subject: string;
  /** `2026-11` */
  readonly period: string;
  readonly vault_key_id: string;
  readonly envelope: string;
  readonly created_at: number;
}

/** Where entries are sent. */
export interface LogExportRow extends Fact {
  readonly name: string;
  readonly kind: 'webhook' | 'file';
  /** Null for a file, which is named by the export. */
  readonly url: string | null;
  /** First entry that it gets. */
  readonly first_sequence: number;
  /** 1: with personal parts. */
  readonly personal: 0 | 1;
  readonly created_at: number;
}

/** Who personal parts are encrypted to while the installation is sealed, by month. */
export interface PeriodKeyRow extends Fact {
  readonly project_id: string;
  readonly environment_id: string;
  readonly period: string;
  readonly recipient: string;
  readonly vault_key_id: string;
  /** The identity that opens it. */
  readonly envelope: string;
  readonly created_at: number;
}

/** Written by the ledger itself. */
export interface LedgerTables {
  ledger_head: {
    readonly one: 1;
    readonly installation: string;
    readonly epoch: number;
    readonly sequence: number;
    readonly hash: string | null;
    readonly accepted_epoch: number | null;
    /** What the root key must derive, so that a wrong key file is noticed at start. */
    readonly root_key_check: string | null;
    /** The tree over all entries, as far as it takes to go on with it; null where it was never computed. */
    readonly tree: string | null;
  };
  entries: {
    readonly sequence: number;
    readonly id: string;
    readonly at: number;
    readonly actor: string;
    readonly action: string;
    readonly subject: string;
    /** Canonical JSON: the leaf's bytes as text. */
    readonly leaf: string;
    readonly hash: string;
  };
  /** The newest digest of every row; derived from the entries and checked against them. */
  row_heads: { readonly row_id: string; readonly sequence: number; readonly digest: string | null };
  /** Shares the transaction of what it repeats; holds no secret. */
  idempotency: {
    readonly principal: string;
    readonly idempotency_key: string;
    readonly request_digest: string;
    readonly response: string;
    readonly sequence: number;
    readonly created_at: number;
  };
}

export type FactTable = keyof FactTables;
