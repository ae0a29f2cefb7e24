import { decodeBase62, encodeBase62 } from './base62.ts';
import { CRC_START, crc32Ascii, crcEnd, crcStep } from './crc32.ts';

/**
 * The shape of bearer credentials and of our own tokens (DESIGN §6):
 * `<prefix>_<43 base62 characters: 32 random bytes><6 base62 characters: CRC-32 of everything before>`.
 */

const SECRET_WIDTH = 43;
const CHECKSUM_WIDTH = 6;
/** What follows the prefix: underscore, secret, checksum. */
const TAIL_WIDTH = 1 + SECRET_WIDTH + CHECKSUM_WIDTH;
const MIN_LENGTH = 2 + TAIL_WIDTH;
const MAX_LENGTH = 24 + TAIL_WIDTH;
const HINT_WIDTH = 4;

/** Where an ASCII character may stand, as bits. */
const OF_PREFIX = 1;
const OF_SECRET = 2;
const SEPARATOR = 4;
const CLASSES: Uint8Array = (() => {
  const classes = new Uint8Array(128);
  for (let unit = 0; unit < 128; unit++) {
    const character = String.fromCharCode(unit);
    if (/[a-z0-9_]/.test(character)) classes[unit] = OF_PREFIX;
    if (/[0-9A-Za-z]/.test(character)) classes[unit] = (classes[unit] as number) | OF_SECRET;
    if (character === '_') classes[unit] = (classes[unit] as number) | SEPARATOR;
  }
  return classes;
})();

/** Prefix of Keyhold's own tokens. */
export const TOKEN_PREFIX = 'keyhold';

/** Prefix of the tokens that take a delivery. */
export const ONCE_PREFIX = 'keyhold_once';

/** Prefix of what a person's session is known by. */
export const SESSION_PREFIX = 'keyhold_session';

/** Prefix of what lets a person enrol. */
export const INVITATION_PREFIX = 'keyhold_invite';

/** Prefix of what a person signs a command line in with. */
export const DEVICE_PREFIX = 'keyhold_device';

/** Prefix of the secret id that a service signs in with over Vault's AppRole. */
export const APP_SECRET_PREFIX = 'keyhold_approle';

/** No environment may take one of these. */
export const OUR_PREFIXES: readonly string[] = [
  TOKEN_PREFIX,
  ONCE_PREFIX,
  SESSION_PREFIX,
  INVITATION_PREFIX,
  DEVICE_PREFIX,
  APP_SECRET_PREFIX,
];

/** Pattern of an environment's prefix: 2–24 of `[a-z0-9_]`. */
export const PREFIX_PATTERN = '^[a-z0-9_]{2,24}$';

/**
 * Makes the text of a credential from 32 random bytes.
 * @throws RangeError when `secret` isn't 32 bytes long.
 */
export function formatCredential(prefix: string, secret: Uint8Array): string {
  if (secret.length !== 32) throw new RangeError('a credential is made from exactly 32 random bytes');
  const body = `${prefix}_${encodeBase62(secret, SECRET_WIDTH)}`;
  const checksum = crc32Ascii(body, body.length);
  const bytes = Uint8Array.of(checksum >>> 24, checksum >>> 16, checksum >>> 8, checksum);
  return body + encodeBase62(bytes, CHECKSUM_WIDTH);
}

/** False for what is too short or too long to be one: nothing more has to be done with it. */
export function mayBeCredential(text: string): boolean {
  return text.length >= MIN_LENGTH && text.length <= MAX_LENGTH;
}

/** True when the text has this prefix and the length of such a credential. */
export function hasPrefix(text: string, prefix: string): boolean {
  return text.length === prefix.length + TAIL_WIDTH && text.startsWith(prefix);
}

/**
 * Length of the prefix of a well-formed credential, or -1: wrong length, alphabet or checksum.
 * Reads nothing but the text, so a mistyped key costs no look-up.
 */
export function credentialPrefixLength(text: string): number {
  if (!mayBeCredential(text)) return -1;
  const length = text.length;
  const prefixLength = length - TAIL_WIDTH;
  const checksumStart = length - CHECKSUM_WIDTH;
  // One pass, since every verification begins with it: each character is of its class, and goes into the checksum.
  let crc = CRC_START;
  for (let i = 0; i < checksumStart; i++) {
    const unit = text.charCodeAt(i);
    const allowed = i < prefixLength ? OF_PREFIX : i === prefixLength ? SEPARATOR : OF_SECRET;
    if (unit > 127 || ((CLASSES[unit] as number) & allowed) === 0) return -1;
    crc = crcStep(crc, unit);
  }
  return decodeBase62(text, checksumStart, length) === crcEnd(crc) ? prefixLength : -1;
}

/** The first four characters after the prefix, kept to recognise a credential by. */
export function credentialHint(text: string): string {
  const start = text.length - TAIL_WIDTH + 1;
  return text.slice(start, start + HINT_WIDTH);
}
