import { type NoteKey, readVerifierKey } from '@keyhold/protocol/log/signed-note';
import { readTrustPolicy, type TrustPolicy } from '@keyhold/protocol/log/trust-policy';
import type { Sha256 } from '@keyhold/protocol/log/merkle';

/**
 * What a checkpoint has to have: the signature of one of these keys, and of enough witnesses. From verifier keys, one a
 * line, or from a policy (c2sp.org/tlog-policy).
 * @throws PolicyUnreadable
 */
export function readTrust(sha256: Sha256, text: string): TrustPolicy {
  const lines = text.split('\n').map((line) => line.trim());
  const given = lines.filter((line) => line !== '' && !line.startsWith('#'));
  const keys = given.map((line) => readVerifierKey(sha256, line));
  if (keys.length > 0 && keys.every((key) => key !== null)) return trustIn(keys);
  return readTrustPolicy(sha256, text);
}

function trustIn(keys: readonly NoteKey[]): TrustPolicy {
  return { logs: keys.map((key) => ({ ...key, url: null })), witnesses: [], isQuorum: () => true };
}
