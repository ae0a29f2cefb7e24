import type { Verdict, VerdictCode } from '@keyhold/protocol/verdict';
import type { ReplicaCredential } from './replica.ts';
import type { LimitDescription } from './shared-allowance.ts';

/** A refusal names ids only where the caller proved to hold the secret of a credential that is known. */
export function refused(code: VerdictCode, credential: ReplicaCredential | null, stale: boolean): Verdict {
  const ids =
    credential === null || code === 'NOT_FOUND'
      ? {}
      : { keyId: credential.key.id, credentialId: credential.id, consumerId: credential.key.consumerId };
  return stale ? { valid: false, code, ...ids, stale } : { valid: false, code, ...ids };
}

export function accepted(credential: ReplicaCredential, allowance: LimitDescription, stale: boolean): Verdict {
  const { key, id: credentialId } = credential;
  const { id: keyId, consumerId, permissions, metadata } = key;
  const { rateLimits, quota, scope } = allowance.describe();
  // The two that are common are made in one piece; adding a field to an object costs more than making it.
  if (metadata === null && quota === undefined && !stale) {
    return rateLimits === undefined || scope === undefined
      ? { valid: true, code: 'VALID', keyId, credentialId, consumerId, permissions }
      : { valid: true, code: 'VALID', keyId, credentialId, consumerId, permissions, rateLimits, scope };
  }
  const verdict: { -readonly [P in keyof Verdict]: Verdict[P] } = {
    valid: true,
    code: 'VALID',
    keyId,
    credentialId,
    consumerId,
    permissions,
  };
  if (rateLimits !== undefined) verdict.rateLimits = rateLimits;
  if (scope !== undefined) verdict.scope = scope;
  if (quota !== undefined) verdict.quota = quota;
  if (metadata !== null) verdict.metadata = metadata;
  if (stale) verdict.stale = true;
  return verdict;
}
