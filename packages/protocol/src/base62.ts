/** Base62 over `0-9A-Za-z`, zero-padded to a fixed width (DESIGN §6, "Bearer credential"). */

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

const NOT_A_DIGIT = 255;

/** Value of each ASCII code unit, or 255. A table, because the verify path reads it for every character. */
const BASE62_VALUES: Uint8Array = (() => {
  const values = new Uint8Array(128).fill(NOT_A_DIGIT);
  for (let i = 0; i < ALPHABET.length; i++) values[ALPHABET.charCodeAt(i)] = i;
  return values;
})();

/**
 * Writes big-endian `bytes` as exactly `width` digits.
 * @throws RangeError when the number doesn't fit.
 */
export function encodeBase62(bytes: Uint8Array, width: number): string {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  let digits = '';
  for (let i = 0; i < width; i++) {
    digits = ALPHABET.charAt(Number(value % 62n)) + digits;
    value /= 62n;
  }
  if (value !== 0n) throw new RangeError(`${bytes.length} bytes do not fit into ${width} base62 digits`);
  return digits;
}

/** Reads the base62 digits of `text` from `start` to `end` as a number below 2^53, or -1 when one is no digit. */
export function decodeBase62(text: string, start: number, end: number): number {
  let value = 0;
  for (let i = start; i < end; i++) {
    const unit = text.charCodeAt(i);
    const digit = unit < 128 ? (BASE62_VALUES[unit] as number) : NOT_A_DIGIT;
    if (digit === NOT_A_DIGIT) return -1;
    value = value * 62 + digit;
  }
  return value;
}
