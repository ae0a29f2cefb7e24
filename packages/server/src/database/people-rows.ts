import type { Fact } from './fact.ts';

/** Which token was the one of the beginning: the entry that says so may be pruned. There is one. */
export interface BootstrapTokenRow extends Fact {
  readonly token_id: string;
}

/** Somebody who signs in. */
export interface PersonRow extends Fact {
  readonly name: string;
  readonly state: 'invited' | 'active' | 'suspended' | 'removed';
  /** Sessions that began before are over, whatever their rows say: those may be hidden when they are to be ended. */
  readonly sessions_after: number;
  /** The same of passkeys. */
  readonly passkeys_after: number;
  readonly created_at: number;
}

/** What a person signs in with. */
export interface PersonPasskeyRow extends Fact {
  readonly person_id: string;
  readonly name: string;
  /** base64url. */
  readonly credential_id: string;
  /** COSE_Key, hex. */
  readonly public_key: string;
  /** COSE number (RFC 9053). */
  readonly algorithm: number;
  readonly state: 'active' | 'removed';
  readonly created_at: number;
}

/** What a person signs in with who has no passkey: a password and an authenticator app. */
export interface PersonPasswordRow extends Fact {
  readonly person_id: string;
  /** The invitation that lets him have one. */
  readonly invitation_id: string;
  /** What he signs in as, in lower case; null until he has one, and once it is removed. */
  readonly login: string | null;
  /** argon2id, as PHC strings have it. */
  readonly hash: string | null;
  /** Where the app's secret lies: with the keys of the installation itself. */
  readonly project_id: string;
  readonly environment_id: string;
  readonly vault_key_id: string | null;
  readonly envelope: string | null;
  /** The newest time step that a code of it was taken of: none before counts any more. */
  readonly used_step: number | null;
  /** JSON array of SHA-256 of recovery codes that were not used. */
  readonly recovery: string;
  readonly state: 'offered' | 'active' | 'removed';
  readonly created_at: number;
}

/** A role that a person has at a place; both null: everywhere. */
export interface RoleGrantRow extends Fact {
  readonly person_id: string;
  /** A built-in one, or the name of a custom one. */
  readonly role: string;
  readonly project_id: string | null;
  readonly environment_id: string | null;
  readonly reason: string;
  readonly expires_at: number | null;
  readonly state: 'active' | 'ended';
  /** Id of the principal. */
  readonly granted_by: string;
  readonly created_at: number;
}

/** Lets a person enrol passkeys, once. */
export interface InvitationRow extends Fact {
  readonly person_id: string;
  /** Id of the principal; it ends with him. */
  readonly invited_by: string;
  /** SHA-256 of the whole secret. */
  readonly digest: string;
  readonly state: 'open' | 'used' | 'withdrawn';
  readonly expires_at: number;
  readonly created_at: number;
}

export interface SessionRow extends Fact {
  readonly person_id: string;
  /** What it began with: a passkey, a password, or who he is at a provider. */
  readonly passkey_id: string;
  /** `browser`: in a cookie; `cli`: as a bearer token. */
  readonly kind: 'browser' | 'cli';
  /** SHA-256 of the whole secret. */
  readonly digest: string;
  /** Of the secret before; requests that were under way may still bring it. */
  readonly previous_digest: string | null;
  readonly renewed_at: number;
  readonly state: 'active' | 'ended';
  readonly expires_at: number;
  readonly created_at: number;
}

/** A Cedar policy. */
export interface PolicyRow extends Fact {
  readonly name: string;
  readonly text: string;
  readonly reason: string;
  /** Id of the person who saved it as it is. */
  readonly saved_by: string;
  readonly created_at: number;
  readonly saved_at: number;
}

/** A role that somebody made. */
export interface CustomRoleRow extends Fact {
  readonly name: string;
  /** JSON array. */
  readonly actions: string;
  readonly about: string;
  readonly created_at: number;
  readonly saved_at: number;
}

/** A request that others have to approve. */
export interface ApprovalRequestRow extends Fact {
  /** Who asks. */
  readonly person_id: string;
  readonly method: string;
  readonly target: string;
  /** As it was sent; empty once it is decided. */
  readonly body: string;
  /** Of just this request: what approvers sign. */
  readonly digest: string;
  readonly action: string;
  readonly project_id: string | null;
  readonly environment_id: string | null;
  readonly secret: string | null;
  /** What takes approvals. */
  readonly rule: string;
  readonly needed: number;
  readonly reason: string;
  readonly state: 'waiting' | 'used' | 'denied' | 'withdrawn' | 'over';
  readonly expires_at: number;
  readonly created_at: number;
}

/** What somebody said of such a request; his passkey signed it. */
export interface ApprovalRow extends Fact {
  readonly request_id: string;
  readonly person_id: string;
  readonly verdict: 'approve' | 'deny';
  /** Of the request as he saw it. */
  readonly digest: string;
  readonly reason: string;
  readonly created_at: number;
}

/** Somebody goes on without approvals, for minutes. */
export interface BreakGlassRow extends Fact {
  readonly person_id: string;
  readonly reason: string;
  readonly state: 'open' | 'closed' | 'reviewed';
  readonly expires_at: number;
  readonly created_at: number;
  /** Id of somebody else. */
  readonly reviewed_by: string | null;
  readonly review: string | null;
  readonly reviewed_at: number | null;
}
