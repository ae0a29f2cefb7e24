import { createSecretKey } from 'node:crypto';
import { TOTP_STEP_MS, type TotpAlgorithm } from '@keyhold/protocol/totp';
import { codeOf } from '@keyhold/verifier/totp';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** As an app reads the secret of a URI. */
function fromBase32(text: string): Buffer {
  const bits = [...text].map((digit) => ALPHABET.indexOf(digit).toString(2).padStart(5, '0')).join('');
  return Buffer.from((bits.match(/[01]{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
}

/** An app that has taken a URI. */
export function authenticator(uri: string): { codeAt(wallMs: number): string } {
  const { searchParams } = new URL(uri);
  const key = createSecretKey(fromBase32(searchParams.get('secret') ?? ''));
  const algorithm = (searchParams.get('algorithm') ?? 'SHA1').toLowerCase() as TotpAlgorithm;
  return { codeAt: (wallMs) => codeOf(key, algorithm, Math.floor(wallMs / TOTP_STEP_MS)) };
}
