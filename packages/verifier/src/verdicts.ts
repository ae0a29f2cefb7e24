import type { Verdict, VerdictCode } from '@keyhold/protocol/verdict';
import type { Allowance } from './allowance.ts';
import { unpackPermissions } from './permissions.ts';
import type { ReplicaCredential } from './replica.ts';

/** A refusal names ids only where the caller proved to hold the secret of a credential that is known. */
export function refused(code: VerdictCode, credential: ReplicaCredential | null, stale: boolean): Verdict {
  const ids =
    credential === null || code === 'NOT_FOUND'
      ? {}
      : { keyId: credential.key.id, credentialId: credential.id, consumerId: credential.key.consumer.id };
  return stale ? { valid: false, code, ...ids, stale } : { valid: false, code, ...ids };
}

export function accepted(credential: ReplicaCredential, allowance: Allowance, stale: boolean): Verdict {
  const { key } = credential;
  const verdict: { -readonly [P in keyof Verdict]: Verdict[P] } = {
    valid: true,
    code: 'VALID',
    keyId: key.id,
    credentialId: credential.id,
    consumerId: key.consumer.id,
    permissions: unpackPermissions(key.permissions),
  };
  if (allowance.limited) Object.assign(verdict, allowance.describe());
  if (key.metadata !== null) verdict.metadata = key.metadata;
  if (stale) verdict.stale = true;
  return verdict;
}
