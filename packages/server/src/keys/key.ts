import type { Quota, RateLimit } from '@keyhold/protocol/feed';
import type { Credential } from '@keyhold/protocol/operations/credentials';
import type { Key } from '@keyhold/protocol/operations/keys';
import type { RevocationReason, State } from '@keyhold/protocol/state';
import type { CredentialRow, KeyRow, SignatureKeyRow } from '../database/schema.ts';

/**
 * Legal transitions (NIST SP 800-57 part 1 rev. 5 §7). Ours in one place: `suspended` returns to where time puts it,
 * and a key not yet active may be withdrawn (`deactivated`) as well as destroyed.
 */
export const TRANSITIONS: Readonly<Record<State, readonly State[]>> = {
  'pre-active': ['active', 'suspended', 'deactivated', 'compromised', 'destroyed'],
  active: ['suspended', 'deactivated', 'compromised', 'destroyed'],
  suspended: ['active', 'pre-active', 'deactivated', 'compromised', 'destroyed'],
  deactivated: ['compromised', 'destroyed'],
  compromised: ['destroyed'],
  destroyed: [],
};

export function mayBecome(from: State, to: State): boolean {
  return TRANSITIONS[from].includes(to);
}

interface Timed {
  readonly state: State;
  readonly starts_at: number | null;
  readonly expires_at: number | null;
}

/** The state at a moment: what is stored, and what time has made of it. Nothing is written when time passes. */
export function stateAt({ state, starts_at, expires_at }: Timed, nowMs: number): State {
  if (state !== 'active' && state !== 'suspended') return state;
  if (expires_at !== null && nowMs >= expires_at) return 'deactivated';
  if (state === 'suspended') return 'suspended';
  return starts_at !== null && nowMs < starts_at ? 'pre-active' : 'active';
}

type Standing = Pick<Credential, 'state' | 'reason'>;

const BY_STRICTNESS: readonly State[] = [
  'active',
  'pre-active',
  'suspended',
  'deactivated',
  'compromised',
  'destroyed',
];

export function isStricter(state: State, than: State): boolean {
  return BY_STRICTNESS.indexOf(state) > BY_STRICTNESS.indexOf(than);
}

/** Of a credential's state and its key's the stricter counts, with its reason: what ends with its key isn't written again. */
export function stricterOf(credential: Standing, key: Standing): Standing {
  return isStricter(key.state, credential.state) ? key : credential;
}

/** The state that a revocation for this reason leads to. */
export function stateAfterRevocation(reason: RevocationReason): 'compromised' | 'deactivated' {
  return reason === 'key_compromise' ? 'compromised' : 'deactivated';
}

/** When and from where a credential was last used, as verifiers reported it. */
export interface CredentialUse {
  readonly uses: number;
  readonly lastUsedAt: number;
  readonly lastUsedFrom: string | null;
}

/** @param signs what it is verified with, where it is one that signs */
export function showCredential(
  row: CredentialRow,
  use: CredentialUse | undefined,
  nowMs: number,
  signs?: SignatureKeyRow,
): Credential {
  const algorithm = signs?.algorithm ?? 'hmac';
  return {
    id: row.id,
    kind: row.kind,
    hint: row.hint,
    algorithm: algorithm === 'hmac' ? null : algorithm,
    publicKey: signs?.public_key ?? null,
    state: stateAt(row, nowMs),
    reason: row.reason,
    startsAt: time(row.starts_at),
    expiresAt: time(row.expires_at),
    createdAt: new Date(row.created_at).toISOString(),
    lastUsedAt: time(use?.lastUsedAt ?? null),
    lastUsedFrom: use?.lastUsedFrom ?? null,
    uses: use?.uses ?? 0,
  };
}

/** Where a key lies, in names. */
export interface KeyPlace {
  readonly project: string;
  readonly environment: string;
}

/** What of a key lies in rows of its own. */
export interface KeyParts {
  readonly credentials: readonly Credential[];
  readonly addressBook: readonly string[];
}

export function showKey(row: KeyRow, place: KeyPlace, { credentials, addressBook }: KeyParts, nowMs: number): Key {
  return {
    id: row.id,
    ...place,
    consumer: row.consumer_id,
    name: row.name,
    state: stateAt(row, nowMs),
    reason: row.reason,
    permissions: JSON.parse(row.permissions) as string[],
    allowedNetworks: JSON.parse(row.allowed_networks) as string[],
    addressBook: [...addressBook],
    rateLimits: JSON.parse(row.rate_limits) as RateLimit[],
    quota: row.quota === null ? null : (JSON.parse(row.quota) as Quota),
    metadata: row.metadata === null ? null : (JSON.parse(row.metadata) as Record<string, unknown>),
    startsAt: time(row.starts_at),
    expiresAt: time(row.expires_at),
    createdAt: new Date(row.created_at).toISOString(),
    credentials: [...credentials],
  };
}

function time(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
