import type { Fact } from './fact.ts';

/** A named key that encrypts for clients and never leaves. */
export interface TransitKeyRow extends Fact {
  readonly project_id: string;
  readonly environment_id: string;
  readonly name: string;
  readonly latest_version: number;
  readonly min_decryption_version: number;
  /** 0: the latest. */
  readonly min_encryption_version: number;
  readonly deletion_allowed: 0 | 1;
  readonly created_at: number;
}

export interface TransitKeyVersionRow extends Fact {
  readonly project_id: string;
  readonly environment_id: string;
  readonly transit_key_id: string;
  readonly version: number;
  readonly vault_key_id: string;
  readonly envelope: string;
  readonly created_at: number;
}
