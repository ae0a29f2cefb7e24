import { fromBase64, toBase64 } from '../log/base64.ts';

const ENCODER = new TextEncoder();
const STRICT = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** Long enough for RSA of 16,384 bits. */
const LONGEST_SIGNATURE = 4096;

/** UTF-8. */
export function toBytes(text: string): Uint8Array {
  return ENCODER.encode(text);
}

/** Null where the bytes are not UTF-8. */
export function toText(bytes: Uint8Array): string | null {
  try {
    return STRICT.decode(bytes);
  } catch {
    return null;
  }
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Digits in any case; null where it is not hex. */
export function fromHex(text: string): Uint8Array | null {
  if (text.length > LONGEST_SIGNATURE || text.length % 2 !== 0) return null;
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) {
    const [high, low] = [hexDigit(text.charCodeAt(2 * i)), hexDigit(text.charCodeAt(2 * i + 1))];
    if (high < 0 || low < 0) return null;
    bytes[i] = high * 16 + low;
  }
  return bytes;
}

function hexDigit(unit: number): number {
  if (unit >= 0x30 && unit <= 0x39) return unit - 0x30;
  const small = unit | 0x20;
  return small >= 0x61 && small <= 0x66 ? small - 0x57 : -1;
}

/** A signature in Base 64; null where it is not the one way of writing it. */
export function signatureFromBase64(text: string): Uint8Array | null {
  return text.length > LONGEST_SIGNATURE ? null : fromBase64(text);
}

/** RFC 4648 §5, without padding (RFC 7515 §2). */
export function toBase64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** Null where it is not the one way of writing it. */
export function fromBase64Url(text: string): Uint8Array | null {
  if (!/^[A-Za-z0-9_-]*$/.test(text)) return null;
  const standard = text.replaceAll('-', '+').replaceAll('_', '/');
  return fromBase64(standard + '='.repeat((4 - (standard.length % 4)) % 4));
}
