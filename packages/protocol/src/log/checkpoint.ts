import { fromBase64, toBase64 } from './base64.ts';
import { HASH_BYTES } from './merkle.ts';

/** A log's statement of its whole tree (c2sp.org/tlog-checkpoint), without extension lines. */
export interface Checkpoint {
  /** The log's name. */
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
}

/** The text that is signed. */
export function writeCheckpoint({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${toBase64(root)}\n`;
}

/** Reads a note's text; null where it is no checkpoint, or one with extension lines, which prove nothing to anybody. */
export function readCheckpoint(text: string): Checkpoint | null {
  const match = /^([^\n]+)\n(0|[1-9]\d{0,15})\n([A-Za-z0-9+/=]+)\n$/.exec(text);
  if (match === null) return null;
  const [, origin, size, encoded] = match as unknown as [string, string, string, string];
  const root = fromBase64(encoded);
  if (root?.length !== HASH_BYTES || !Number.isSafeInteger(Number(size))) return null;
  return { origin, size: Number(size), root };
}
