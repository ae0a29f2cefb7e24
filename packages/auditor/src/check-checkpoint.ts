import { type Checkpoint, readCheckpoint } from '@keyhold/protocol/log/checkpoint';
import { signersOf, type VerifySignature } from '@keyhold/protocol/log/signed-message';
import { readNote } from '@keyhold/protocol/log/signed-note';
import type { TrustPolicy } from '@keyhold/protocol/log/trust-policy';

/** A checkpoint that is believed, and who signed it. */
export interface CheckedCheckpoint {
  readonly checkpoint: Checkpoint;
  /** Names of the log's keys that signed it. */
  readonly logs: readonly string[];
  /** The latest time that one of those gave, in seconds since 1970; null where none says. */
  readonly signedAt: number | null;
  /** Witnesses that cosigned it, and when, in seconds since 1970. */
  readonly witnesses: readonly { readonly name: string; readonly atSeconds: number }[];
}

/** Checks a signed checkpoint against what is trusted; a text says why it is not believed. */
export function checkCheckpoint(verify: VerifySignature, trust: TrustPolicy, text: string): CheckedCheckpoint | string {
  const note = readNote(text);
  if (note === null) return 'the checkpoint is no signed note';
  const checkpoint = readCheckpoint(note.text);
  if (checkpoint === null) return 'the signed note is no checkpoint';
  const keys = [...trust.logs, ...trust.witnesses.map(({ key }) => key)];
  const signers = signersOf(verify, keys, note, checkpoint);
  if (signers === null) return 'a signature under the checkpoint is not what its key makes';
  const logs = trust.logs.filter((key) => signers.has(key) && key.name === checkpoint.origin);
  if (logs.length === 0) return `no trusted key of the log "${checkpoint.origin}" signed the checkpoint`;
  // Without a time it says nothing of what its witness had seen (tlog-cosignature).
  const witnesses = trust.witnesses.filter(({ key }) => (signers.get(key) ?? 0) > 0);
  if (!trust.isQuorum(new Set(witnesses.map(({ key }) => key)))) {
    return `the checkpoint was seen by ${witnesses.length} of the trusted witnesses, which is too few`;
  }
  const times = logs.map((key) => signers.get(key) ?? 0).filter((atSeconds) => atSeconds > 0);
  return {
    checkpoint,
    logs: logs.map(({ name }) => name),
    signedAt: times.length === 0 ? null : Math.max(...times),
    witnesses: witnesses.map(({ name, key }) => ({ name, atSeconds: signers.get(key) ?? 0 })),
  };
}
