import { verifySignature } from '@keyhold/auditor/note-crypto';
import { type Checkpoint, readCheckpoint } from '@keyhold/protocol/log/checkpoint';
import { signersOf } from '@keyhold/protocol/log/signed-message';
import {
  type NoteKey,
  type NoteSignature,
  readNote,
  readSignatures,
  writeNote,
} from '@keyhold/protocol/log/signed-note';
import type { Published } from './log.ts';

/** Clocks may differ; receipts that are handed out for good say no time that is a day away. */
const MOST_AHEAD_SECONDS = 24 * 60 * 60;

export type Cosignatures = ReadonlyMap<NoteKey, NoteSignature>;

/**
 * The cosignatures of these keys in a witness's answer. Those of unknown keys are ignored, as a client must
 * (tlog-witness); what they leave out, or what does not hold, is told as a reason.
 */
export function checkCosignatures(
  keys: readonly NoteKey[],
  checkpoint: Checkpoint,
  lines: string,
  nowSeconds: number,
): Cosignatures | { readonly lie: string } {
  const signatures = readSignatures(lines);
  if (signatures === null) return { lie: 'its answer holds no signature lines' };
  const found = new Map<NoteKey, NoteSignature>();
  for (const key of keys) {
    const named = signatures.filter(({ name, keyId }) => name === key.name && keyId === key.keyId);
    const note = { text: '', signatures: named };
    const signers = signersOf(verifySignature, [key], note, checkpoint);
    if (signers === null) return { lie: `a cosignature of ${key.name} is not its, or is over another tree` };
    // "The cosignature MUST NOT omit the timestamp, i.e. the timestamp MUST NOT be zero."
    const atSeconds = signers.get(key) ?? null;
    if (atSeconds === 0) return { lie: `a cosignature of ${key.name} has no time` };
    if (atSeconds !== null && atSeconds > nowSeconds + MOST_AHEAD_SECONDS) {
      return { lie: `a cosignature of ${key.name} is of a time to come` };
    }
    if (signers.size === 0 || named[0] === undefined) return { lie: `its answer holds no cosignature of ${key.name}` };
    found.set(key, named.at(-1) as NoteSignature);
  }
  return found;
}

/** The note with these cosignatures behind its own signatures. */
export function withCosignatures({ note: text }: Published, cosignatures: Cosignatures): string {
  const note = readNote(text);
  if (note === null || cosignatures.size === 0) return text;
  return writeNote({ ...note, signatures: [...note.signatures, ...cosignatures.values()] });
}

/** A note that was kept with cosignatures, taken apart again; null where it is none of this log. */
export function readCosigned(
  text: string,
  origin: string,
  keys: readonly NoteKey[],
): { readonly published: Published; readonly cosigners: ReadonlySet<NoteKey> } | null {
  const note = readNote(text);
  const checkpoint = readCheckpoint(note?.text ?? '');
  if (note === null || checkpoint === null || checkpoint.origin !== origin) return null;
  const signers = signersOf(verifySignature, keys, note, checkpoint);
  if (signers === null) return null;
  const cosigners = new Set([...signers].filter(([, atSeconds]) => atSeconds !== 0).map(([key]) => key));
  return { published: { ...checkpoint, note: text }, cosigners };
}
