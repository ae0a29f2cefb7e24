/** States of keys and credentials, after NIST SP 800-57 part 1 rev. 5 §7. */
export const STATES = ['pre-active', 'active', 'suspended', 'deactivated', 'compromised', 'destroyed'] as const;

export type State = (typeof STATES)[number];

/** Why something was taken away; the words of RFC 5280 §5.3.1. */
export const REVOCATION_REASONS = [
  'key_compromise',
  'superseded',
  'affiliation_changed',
  'cessation_of_operation',
  'privilege_withdrawn',
  'unspecified',
] as const;

export type RevocationReason = (typeof REVOCATION_REASONS)[number];

/** Environments are of one of these kinds; "production" in a rule means the kind, not the name. */
export const ENVIRONMENT_KINDS = ['development', 'testing', 'production'] as const;

export type EnvironmentKind = (typeof ENVIRONMENT_KINDS)[number];

/** Credential kinds: `bearer` is sent itself; with the other two requests are signed. */
export const CREDENTIAL_KINDS = ['bearer', 'hmac', 'public-key'] as const;

export type CredentialKind = (typeof CREDENTIAL_KINDS)[number];

/** What a consumer's own public key may be of. */
export const PUBLIC_KEY_ALGORITHMS = ['ed25519', 'ecdsa-p256', 'rsa'] as const;

export type PublicKeyAlgorithm = (typeof PUBLIC_KEY_ALGORITHMS)[number];

/**
 * Scopes of our own tokens. `admin` includes `keys`, `read` and `verify`, but not the feed's: `feed` is a verifier's,
 * `feed:hmac` lets it have the keys under which the secrets of `hmac` credentials lie. `unseal` may look at the seal, and
 * help to open it.
 */
export const SCOPES = ['admin', 'keys', 'read', 'verify', 'unseal', 'feed', 'feed:hmac', 'scim'] as const;

export type Scope = (typeof SCOPES)[number];

/** Quota periods; they begin on the minute, hour, day and month of UTC. */
export const QUOTA_PERIODS = ['minute', 'hour', 'day', 'month'] as const;

export type QuotaPeriod = (typeof QUOTA_PERIODS)[number];
