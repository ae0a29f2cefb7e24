import { verifySignature } from '@keyhold/auditor/note-crypto';
import { readCheckpoint } from '@keyhold/protocol/log/checkpoint';
import { isSameHash } from '@keyhold/protocol/log/merkle';
import { signersOf } from '@keyhold/protocol/log/signed-message';
import { type NoteKey, readNote } from '@keyhold/protocol/log/signed-note';

/** The log as this database has it. */
export interface OwnTree {
  readonly origin: string;
  /** Keys that sign it, or signed it. */
  readonly keys: readonly NoteKey[];
  /** Entries that are committed. */
  readonly size: number;
  /** Root of the first so many. */
  rootAt(size: number): Promise<Uint8Array>;
}

/** What a note that somebody else kept of this log says of this database. */
export type Seen =
  | { readonly is: 'continued'; readonly size: number }
  /** This database was rolled back, or is a fork: the log itself signed what it does not have. */
  | { readonly is: 'contradicted'; readonly why: string }
  /** Nobody signed it whose word counts. */
  | { readonly is: 'unfounded' };

/**
 * Compares a note with the database. What counts is the log's own signature: a witness alone can't make a database
 * look rolled back. Where the database knows no keys of its log, which one put back from before there were any does
 * not, the witness's word has to do.
 */
export async function compareSeen(text: string, witness: readonly NoteKey[], own: OwnTree): Promise<Seen> {
  const note = readNote(text);
  const checkpoint = readCheckpoint(note?.text ?? '');
  if (note === null || checkpoint === null || checkpoint.origin !== own.origin) return { is: 'unfounded' };
  const signers = signersOf(verifySignature, own.keys.length > 0 ? own.keys : witness, note, checkpoint);
  if (signers === null || signers.size === 0) return { is: 'unfounded' };
  const { size, root } = checkpoint;
  if (size > own.size) {
    return { is: 'contradicted', why: `entry ${size} was logged and cosigned, and it ends at entry ${own.size}` };
  }
  if (size > 0 && !isSameHash(await own.rootAt(size), root)) {
    return { is: 'contradicted', why: `its first ${size} entries are not those that were cosigned` };
  }
  return { is: 'continued', size };
}
