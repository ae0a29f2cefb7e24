import type { State } from '@keyhold/protocol/state';
import type { VerdictCode } from '@keyhold/protocol/verdict';
import { parseAddress } from './networks.ts';
import type { Requirement } from './permissions.ts';
import type { ReplicaCredential, ReplicaKey } from './replica.ts';
import { decideByRules } from './key-rules.ts';

/** The part of a request that the pure decision looks at. */
export interface DecisionRequest {
  /** Null: the request requires no permission. */
  readonly requirement: Requirement | null;
  readonly clientIp: string | undefined;
  readonly destination?: string | undefined;
}

/** How strict a stored state is; of a key's and its credential's the stricter counts. */
const STRICTNESS: Readonly<Record<State, number>> = {
  active: 0,
  'pre-active': 1,
  suspended: 2,
  deactivated: 3,
  compromised: 3,
  destroyed: 4,
};

const CODE_OF_STRICTNESS: readonly VerdictCode[] = ['VALID', 'NOT_YET_VALID', 'SUSPENDED', 'REVOKED', 'NOT_FOUND'];

/**
 * Decides a found credential by state, time, network and permission, in the order of the verdict codes. Pure: the
 * control plane runs the same function on the committed rows when a permission asks for it.
 * @param wallMs epoch milliseconds
 */
export function decide(credential: ReplicaCredential, request: DecisionRequest, wallMs: number): VerdictCode {
  const key = credential.key;
  if (key.state !== 'active' || credential.state !== 'active') {
    const strictness = Math.max(STRICTNESS[key.state], STRICTNESS[credential.state]);
    return CODE_OF_STRICTNESS[strictness] as VerdictCode;
  }
  if (isBefore(wallMs, key.startsAt) || isBefore(wallMs, credential.startsAt)) return 'NOT_YET_VALID';
  if (isPast(wallMs, key.expiresAt) || isPast(wallMs, credential.expiresAt)) return 'EXPIRED';
  if (!networkAllows(key, request.clientIp)) return 'NETWORK_NOT_ALLOWED';
  if (key.environment.rules !== null) return decideByRules(key, key.environment.rules, request, wallMs);
  if (request.requirement !== null && !request.requirement.isMetBy(key)) return 'INSUFFICIENT_PERMISSIONS';
  return 'VALID';
}

function isBefore(wallMs: number, startsAt: number | null): boolean {
  return startsAt !== null && wallMs < startsAt;
}

function isPast(wallMs: number, expiresAt: number | null): boolean {
  return expiresAt !== null && wallMs >= expiresAt;
}

function networkAllows(key: ReplicaKey, clientIp: string | undefined): boolean {
  if (key.anywhere) return true;
  if (clientIp === undefined) return false;
  const address = parseAddress(clientIp);
  return address !== null && key.allowsAddress(address);
}
