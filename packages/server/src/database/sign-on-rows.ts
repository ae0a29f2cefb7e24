import type { Fact } from './fact.ts';

/** An OpenID Connect provider that people sign in at. */
export interface SignOnRow extends Fact {
  readonly name: string;
  readonly issuer: string;
  readonly client_id: string;
  readonly groups_claim: string;
  readonly makes_people: 0 | 1;
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
  /** As the issuer names him; it never means another. */
  readonly subject: string;
  /** Where he came in by last. */
  readonly sign_on_id: string;
  readonly state: 'active' | 'removed';
  readonly created_at: number;
}
