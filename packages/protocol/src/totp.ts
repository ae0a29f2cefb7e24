/** One-time codes by time (RFC 6238), as authenticator apps make them: the one set of numbers that all of them speak. */
export const TOTP_DIGITS = 6;
/** RFC 6238 §4.1: the time step X, from the Unix epoch (T0 = 0). */
export const TOTP_STEP_MS = 30_000;
/** Steps by which a client's clock may be before or behind (RFC 6238 §5.2). */
export const TOTP_SKEW_STEPS = 1;

/** SHA-1 is what every app makes; some leave out whatever else the URI says. */
export const TOTP_ALGORITHMS = ['sha1', 'sha256'] as const;
export type TotpAlgorithm = (typeof TOTP_ALGORITHMS)[number];

/** Where a client puts its code, where its dialect has no place for one; in lower case, as signatures name it. */
export const OTP_HEADER = 'keyhold-otp';

/** What a code looks like: nothing else is compared, and no attempt is counted for it. */
export const TOTP_CODE = /^[0-9]{6}$/;

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** Base32 without padding (RFC 4648 §6), as the URI has a secret. */
export function toBase32(bytes: Uint8Array): string {
  let text = '';
  let [bits, held] = [0, 0];
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += BASE32[(held >>> bits) & 31];
    }
    held &= (1 << bits) - 1;
  }
  return bits === 0 ? text : text + BASE32[(held << (5 - bits)) & 31];
}

/** Bytes of it; null where it is none. */
export function fromBase32(text: string): Uint8Array | null {
  const bytes: number[] = [];
  let [bits, held] = [0, 0];
  for (const digit of text) {
    const value = BASE32.indexOf(digit);
    if (value < 0) return null;
    held = (held << 5) | value;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((held >>> bits) & 0xff);
      held &= (1 << bits) - 1;
    }
  }
  return Uint8Array.from(bytes);
}

/**
 * What an app reads from a QR code: `otpauth://totp/ISSUER:ACCOUNT?secret=…`. It is the secret.
 * @param secret in Base32
 */
export function totpUri(of: {
  readonly issuer: string;
  readonly account: string;
  readonly secret: string;
  readonly algorithm: TotpAlgorithm;
}): string {
  // Apps part issuer and account at the first colon.
  const [issuer, account] = [of.issuer, of.account].map((text) => encodeURIComponent(text.replaceAll(':', ' ')));
  const settings = `algorithm=${of.algorithm.toUpperCase()}&digits=${TOTP_DIGITS}&period=${TOTP_STEP_MS / 1000}`;
  return `otpauth://totp/${issuer}:${account}?secret=${of.secret}&issuer=${issuer}&${settings}`;
}
