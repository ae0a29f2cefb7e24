import { type Checkpoint, writeCheckpoint } from './checkpoint.ts';
import { type NoteKey, type NoteSignature, SIGNATURE_TYPES, type SignedNote } from './signed-note.ts';

/** What a signature under a checkpoint is over, and the signature itself without what is around it. */
export interface SignedMessage {
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
  /** When it was made, in seconds since 1970; null where it does not say. */
  readonly atSeconds: number | null;
}

const TIME_BYTES = 8;
const SUBTREE_LABEL = 'subtree/v1\n\0';

/**
 * The bytes that a key of this type signs for a checkpoint.
 * @param atSeconds of no meaning for the type 0x01
 */
export function messageOf(key: Pick<NoteKey, 'name' | 'type'>, checkpoint: Checkpoint, atSeconds: number): Uint8Array {
  const text = writeCheckpoint(checkpoint);
  if (key.type === SIGNATURE_TYPES.ed25519) return utf8(text);
  if (key.type === SIGNATURE_TYPES.ed25519Cosignature) return utf8(`cosignature/v1\ntime ${atSeconds}\n${text}`);
  const { origin, size, root } = checkpoint;
  const [name, log] = [utf8(key.name), utf8(origin)];
  return Uint8Array.from([
    ...utf8(SUBTREE_LABEL),
    ...[name.length, ...name],
    ...uint64(atSeconds),
    ...[log.length, ...log],
    ...uint64(0),
    ...uint64(size),
    ...root,
  ]);
}

/** A signature as the note carries it: cosignatures have their time before them. */
export function signatureWithTime(type: NoteKey['type'], atSeconds: number, signature: Uint8Array): Uint8Array {
  return type === SIGNATURE_TYPES.ed25519 ? signature : Uint8Array.from([...uint64(atSeconds), ...signature]);
}

/** Takes a note's signature apart; null where it is too short. */
export function signedMessage(key: NoteKey, checkpoint: Checkpoint, { bytes }: NoteSignature): SignedMessage | null {
  if (key.type === SIGNATURE_TYPES.ed25519) {
    return { message: messageOf(key, checkpoint, 0), signature: bytes, atSeconds: null };
  }
  if (bytes.length <= TIME_BYTES) return null;
  const time = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(0);
  const atSeconds = Number(time);
  if (!Number.isSafeInteger(atSeconds)) return null;
  return { message: messageOf(key, checkpoint, atSeconds), signature: bytes.subarray(TIME_BYTES), atSeconds };
}

/** Checks one raw signature; handed in, since this runs anywhere. */
export type VerifySignature = (key: NoteKey, message: Uint8Array, signature: Uint8Array) => boolean;

/**
 * Which of the keys signed the checkpoint, each once, with the time that it gave. Signatures of others are ignored.
 * @returns null when one that names a known key is not that key's: then the whole note is worth nothing
 */
export function signersOf(
  verify: VerifySignature,
  keys: readonly NoteKey[],
  note: SignedNote,
  checkpoint: Checkpoint,
): ReadonlyMap<NoteKey, number | null> | null {
  const signers = new Map<NoteKey, number | null>();
  for (const signature of note.signatures) {
    for (const key of keys) {
      if (key.name !== signature.name || key.keyId !== signature.keyId) continue;
      const signed = signedMessage(key, checkpoint, signature);
      if (signed === null || !verify(key, signed.message, signed.signature)) return null;
      signers.set(key, signed.atSeconds);
    }
  }
  return signers;
}

function uint64(value: number): Uint8Array {
  const bytes = new Uint8Array(TIME_BYTES);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
