/** Base62 over `0-9A-Za-z`, zero-padded to a fixed width (DESIGN §6, "Bearer credential"). */

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

const NOT_A_DIGIT = 255;

/** Value of each ASCII code unit, or 255. A table, because the verify path reads it for every character. */
const BASE62_VALUES: Uint8Array = (() => {
  const values = new Uint8Array(128).fill(NOT_A_DIGIT);
  for (let i = 0; i < ALPHABET.length; i++) values[ALPHABET.charCodeAt(i)] = i;
  return values;
})();

/** 62^5, and how many digits one division by it gives: what is left over times 2^16 stays far below 2^53. */
const DIVISOR = 62 ** 5;
const DIGITS_OF_DIVISION = 5;

/**
 * Writes big-endian `bytes` as exactly `width` digits.
 * @throws RangeError when the number doesn't fit.
 */
export function encodeBase62(bytes: Uint8Array, width: number): string {
  const limbs = limbsOf(bytes);
  const units = new Array<number>(width);
  for (let end = width; end > 0; end -= DIGITS_OF_DIVISION) {
    let value = divideBy62To5(limbs);
    for (let i = end - 1; i >= Math.max(0, end - DIGITS_OF_DIVISION); i--) {
      units[i] = ALPHABET.charCodeAt(value % 62);
      value = Math.floor(value / 62);
    }
    if (value !== 0) throw tooLarge(bytes, width);
  }
  if (limbs.some((limb) => limb !== 0)) throw tooLarge(bytes, width);
  return String.fromCharCode(...units);
}

/** The number in 16-bit pieces, the greatest first. */
function limbsOf(bytes: Uint8Array): Uint16Array {
  const limbs = new Uint16Array(Math.ceil(bytes.length / 2));
  for (let i = bytes.length - 1, limb = limbs.length - 1; i >= 0; i -= 2, limb--) {
    limbs[limb] = (bytes[i] as number) | ((i > 0 ? (bytes[i - 1] as number) : 0) << 8);
  }
  return limbs;
}

/** Divides in place; returns what is left over. */
function divideBy62To5(limbs: Uint16Array): number {
  let rest = 0;
  for (let i = 0; i < limbs.length; i++) {
    const value = rest * 0x10000 + (limbs[i] as number);
    const quotient = Math.floor(value / DIVISOR);
    limbs[i] = quotient;
    rest = value - quotient * DIVISOR;
  }
  return rest;
}

function tooLarge(bytes: Uint8Array, width: number): RangeError {
  return new RangeError(`${bytes.length} bytes do not fit into ${width} base62 digits`);
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
