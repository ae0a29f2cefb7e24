import { fromBase64, toBase64 } from './base64.ts';
import type { Sha256 } from './merkle.ts';

/** A text with signatures under it (c2sp.org/signed-note). */
export interface SignedNote {
  /** With its last newline. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

export interface NoteSignature {
  /** Name of the key. */
  readonly name: string;
  readonly keyId: number;
  readonly bytes: Uint8Array;
}

/** What a signature is made with, and over what. */
export type SignatureType = (typeof SIGNATURE_TYPES)[keyof typeof SIGNATURE_TYPES];

export const SIGNATURE_TYPES = {
  /** Ed25519 over the text. */
  ed25519: 0x01,
  /** Ed25519 over the text and a time (c2sp.org/tlog-cosignature). */
  ed25519Cosignature: 0x04,
  /** ML-DSA-44 over a tree and a time (c2sp.org/tlog-cosignature). */
  mlDsa44: 0x06,
} as const;

const PUBLIC_KEY_BYTES: Readonly<Record<SignatureType, number>> = { 1: 32, 4: 32, 6: 1312 };

/** A key that signatures are checked with. */
export interface NoteKey {
  readonly name: string;
  readonly type: SignatureType;
  readonly publicKey: Uint8Array;
  /** First four bytes of SHA-256(name ‖ 0A ‖ type ‖ public key). */
  readonly keyId: number;
}

/** Longest note, and most signatures, that are read. */
const MAX_NOTE_CHARACTERS = 1_000_000;
const MAX_SIGNATURES = 64;
const KEY_ID_BYTES = 4;

export function noteKey(sha256: Sha256, name: string, type: SignatureType, publicKey: Uint8Array): NoteKey {
  const prefix = new TextEncoder().encode(`${name}\n`);
  const bytes = new Uint8Array(prefix.length + 1 + publicKey.length);
  bytes.set(prefix);
  bytes[prefix.length] = type;
  bytes.set(publicKey, prefix.length + 1);
  return { name, type, publicKey, keyId: uint32(sha256(bytes)) };
}

/** `name+hex(key id)+base64(type ‖ public key)` */
export function writeVerifierKey({ name, type, publicKey, keyId }: NoteKey): string {
  return `${name}+${keyId.toString(16).padStart(8, '0')}+${toBase64(Uint8Array.of(type, ...publicKey))}`;
}

/** Null where it is no verifier key, of a type that is not known here, or names an id that is not its own. */
export function readVerifierKey(sha256: Sha256, text: string): NoteKey | null {
  const match = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text);
  if (match === null) return null;
  const [, name, id, encoded] = match as unknown as [string, string, string, string];
  const bytes = fromBase64(encoded);
  const type = bytes?.[0] as SignatureType;
  if (bytes === null || PUBLIC_KEY_BYTES[type] !== bytes.length - 1) return null;
  const key = noteKey(sha256, name, type, bytes.subarray(1));
  return key.keyId === Number.parseInt(id, 16) ? key : null;
}

export function writeSignature({ name, keyId, bytes }: NoteSignature): string {
  const content = new Uint8Array(KEY_ID_BYTES + bytes.length);
  new DataView(content.buffer).setUint32(0, keyId);
  content.set(bytes, KEY_ID_BYTES);
  return `— ${name} ${toBase64(content)}\n`;
}

export function writeNote({ text, signatures }: SignedNote): string {
  return `${text}\n${signatures.map(writeSignature).join('')}`;
}

/** Null where it is no signed note. */
export function readNote(note: string): SignedNote | null {
  if (note.length > MAX_NOTE_CHARACTERS || !note.endsWith('\n')) return null;
  const split = note.lastIndexOf('\n\n');
  if (split < 0) return null;
  const text = note.slice(0, split + 1);
  const signatures = readSignatures(note.slice(split + 2));
  return signatures === null || signatures.length === 0 || hasControls(text) ? null : { text, signatures };
}

/** Signature lines, each with its newline; null where one is none. */
export function readSignatures(lines: string): NoteSignature[] | null {
  if (!lines.endsWith('\n')) return null;
  const signatures: NoteSignature[] = [];
  for (const line of lines.slice(0, -1).split('\n')) {
    const match = /^— ([^\s+]+) ([A-Za-z0-9+/=]+)$/.exec(line);
    const content = match === null ? null : fromBase64(match[2] as string);
    if (match === null || content === null || content.length <= KEY_ID_BYTES) return null;
    if (signatures.length >= MAX_SIGNATURES) return null;
    signatures.push({ name: match[1] as string, keyId: uint32(content), bytes: content.slice(KEY_ID_BYTES) });
  }
  return signatures;
}

function uint32(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0);
}

/** ASCII controls but the newline have no place in a note. */
function hasControls(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) < 0x20 && text[i] !== '\n') return true;
  return false;
}
