import { type BinaryToTextEncoding, hash } from 'node:crypto';

/**
 * A SHA-256 as a replica knows it: 16 two-byte characters instead of 64, since every verification compares them with
 * a row. Node's types name only some of the encodings that `hash` takes.
 */
const ENCODING = 'utf16le' as BufferEncoding & BinaryToTextEncoding;

export function digestOf(text: string): string {
  return hash('sha256', text, ENCODING);
}

export function digestFromHex(hex: string): string {
  return Buffer.from(hex, 'hex').toString(ENCODING);
}
