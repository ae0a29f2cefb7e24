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
