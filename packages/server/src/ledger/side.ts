import { saltedDigest } from './row-digest.ts';

/** Personal parts of an entry, as canonical JSON, before anything is done with them. */
export interface SideText {
  /** Id of whose data it is; erased with that. */
  readonly about: string;
  readonly atMs: number;
  /** 32 random bytes, hex. */
  readonly salt: string;
  readonly text: string;
}

/** What is stored of a side. */
export interface SideRow {
  /** Of the key that it is encrypted under; null: in the clear, as before there were such keys. */
  readonly key_id: string | null;
  /** Empty where it is encrypted: it lies in the body then. */
  readonly salt: string;
  readonly body: string;
}

/** A side that is ready to be committed with its entry. */
export interface PreparedSide {
  /** What the leaf commits to it by. */
  readonly digest: string;
  /** Null where it can't be kept, which is better than in the clear. */
  readonly row: SideRow | null;
  /** By which it is found again. */
  readonly tokens: readonly string[];
}

const SEQUENCE_DIGITS = 16;

/** `token.sequence`, the number in a fixed width: found by the token, in order. */
export function tokenId(token: string, sequence: number): string {
  return `${token}.${String(sequence).padStart(SEQUENCE_DIGITS, '0')}`;
}

/** Of the entry that a token is of. */
export function sequenceOfToken(id: string): number {
  return Number(id.slice(id.indexOf('.') + 1));
}

/** Encrypts a side before its entry is committed; at once where the key is at hand. */
export type PrepareSide = (side: SideText) => PreparedSide | Promise<PreparedSide>;

export function digestOfSide({ salt, text }: Pick<SideText, 'salt' | 'text'>): string {
  return saltedDigest(salt, text);
}

/** Keeps nothing of it: while there is nothing yet that it could be encrypted with. */
export function withholdSide(side: SideText): PreparedSide {
  return { digest: digestOfSide(side), row: null, tokens: [] };
}
