import type { Fact } from './fact.ts';

/** An OpenID Connect provider that people sign in at. */
export interface SignOnRow extends Fact {
  readonly name: string;
  readonly issuer: string;
  readonly client_id: string;
  readonly groups_claim: string;
  /** Claim that says who it is, and never means another. */
  readonly subject_claim: string;
  readonly makes_people: 0 | 1;
  readonly on_deactivated: 'off-board' | 'suspend';
  /** JSON: what each group gives, and where. */
  readonly roles: string;
  /** Who saved it last: what it gives he could have given. */
  readonly saved_by: string;
  /** Where the client's secret lies: with the keys of the installation itself. */
  readonly project_id: string;
  readonly environment_id: string;
  /** Null: the client has none. */
  readonly vault_key_id: string | null;
  readonly envelope: string | null;
  readonly created_at: number;
  readonly saved_at: number;
}

/** Who somebody is at a provider. */
export interface PersonIdentityRow extends Fact {
  readonly person_id: string;
  readonly issuer: string;
  /** As a claim of the issuer names him (`subjectBy`); it never means another. */
  readonly subject: string;
  /** Where he came in by last. */
  readonly sign_on_id: string;
  readonly state: 'active' | 'removed';
  readonly created_at: number;
}

/** Somebody whom a provider keeps here over SCIM. */
export interface ScimUserRow extends Fact {
  readonly sign_on_id: string;
  readonly person_id: string;
  readonly user_name: string;
  /** In lower case: names that differ in no more are one. */
  readonly user_name_key: string;
  readonly external_id: string | null;
  readonly active: 0 | 1;
  /**
   * Since when his sessions are over by the provider's word; while his person says the same it lets him back, and where
   * somebody here suspended him since, not.
   */
  readonly held_at: number | null;
  readonly created_at: number;
  readonly updated_at: number;
}

export interface ScimGroupRow extends Fact {
  readonly sign_on_id: string;
  readonly display_name: string;
  readonly external_id: string | null;
  /** JSON array of ids, sorted. */
  readonly members: string;
  readonly created_at: number;
  readonly updated_at: number;
}
