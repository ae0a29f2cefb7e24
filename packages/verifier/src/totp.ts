import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto';
import { TOTP_CODE, TOTP_DIGITS, TOTP_SKEW_STEPS, TOTP_STEP_MS, type TotpAlgorithm } from '@keyhold/protocol/totp';

/** The code of one time step: HOTP (RFC 4226 §5.3) of the step's number (RFC 6238 §4.2). */
export function codeOf(key: KeyObject, algorithm: TotpAlgorithm, step: number, digits = TOTP_DIGITS): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac(algorithm, key).update(counter).digest();
  // Dynamic truncation: 31 bits from where the last four say.
  const offset = (mac.at(-1) as number) & 0xf;
  const truncated = mac.readUInt32BE(offset) & 0x7fffffff;
  return String(truncated % 10 ** digits).padStart(digits, '0');
}

/**
 * The time step that a code is of, or null where it is of none that counts now. Every step is compared, each in
 * constant time, so that how long it takes says nothing of the code.
 * @param wallMs epoch milliseconds
 */
export function stepOf(key: KeyObject, algorithm: TotpAlgorithm, code: string, wallMs: number): number | null {
  if (!TOTP_CODE.test(code)) return null;
  const [given, now] = [Buffer.from(code), Math.floor(wallMs / TOTP_STEP_MS)];
  let found: number | null = null;
  for (let step = now - TOTP_SKEW_STEPS; step <= now + TOTP_SKEW_STEPS; step++) {
    if (timingSafeEqual(Buffer.from(codeOf(key, algorithm, step)), given)) found = step;
  }
  return found;
}
