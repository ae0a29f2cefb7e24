import type { Fact } from './fact.ts';

/** Whose tokens, of another issuer, are exchanged for which of ours. */
export interface WorkloadRow extends Fact {
  readonly name: string;
  readonly issuer: string;
  readonly audience: string;
  readonly jwks_uri: string | null;
  /** JSON: what its tokens have to say. */
  readonly claims: string;
  /** JSON */
  readonly scopes: string;
  /** JSON; null: bound to none. */
  readonly projects: string | null;
  readonly environment_id: string | null;
  readonly ttl_seconds: number;
  readonly state: 'active' | 'removed';
  readonly created_at: number;
}

/** What a service signs in with over Vault's AppRole, and what it is given. */
export interface AppRoleRow extends Fact {
  readonly project_id: string;
  readonly environment_id: string;
  readonly name: string;
  /** No secret: it says which. */
  readonly role_id: string;
  /** JSON */
  readonly scopes: string;
  /** Seconds that a token of it lasts; 0: as long as most. */
  readonly token_ttl: number;
  /** Seconds that a secret id lasts; 0: no end. */
  readonly secret_ttl: number;
  /** Uses of a secret id; 0: no end. */
  readonly secret_uses: number;
  /** JSON: where secret ids are good; empty: everywhere. */
  readonly networks: string;
  readonly state: 'active' | 'removed';
  readonly created_at: number;
}

export interface AppRoleSecretRow extends Fact {
  readonly app_role_id: string;
  /** SHA-256 of the whole secret id. */
  readonly digest: string;
  /** Null: no end. */
  readonly uses_left: number | null;
  /** JSON */
  readonly networks: string;
  readonly expires_at: number | null;
  readonly state: 'active' | 'destroyed';
  readonly created_at: number;
}
