import type { FieldLine } from './dialects/dialect.ts';
import { TOTP_CODE } from './totp.ts';

/**
 * A code of an authenticator app that confirms one request, for whoever has no passkey: the app knows nothing of what it
 * confirms, so that a nonce of the server's, made for just this request, binds it.
 */

/** Field of a request: the nonce, a full stop, and the code. */
export const CODE_HEADER = 'keyhold-code';
/** Longest value of the field that is read. */
export const MAX_CODE_CHARS = 300;
const NONCE = /^[\w-]{1,200}$/;

export interface SentCode {
  readonly nonce: string;
  readonly code: string;
}

/** Null where it is none. */
export function readCode(value: string | undefined): SentCode | null {
  if (value === undefined || value.length > MAX_CODE_CHARS) return null;
  const [nonce = '', code = '', ...rest] = value.split('.');
  return rest.length === 0 && NONCE.test(nonce) && TOTP_CODE.test(code) ? { nonce, code } : null;
}

/** The value of the field; undefined where there is none, or more than one. */
export function codeOfHeaders(headers: readonly FieldLine[]): string | undefined {
  const found = headers.filter(([name]) => name.length === CODE_HEADER.length && name.toLowerCase() === CODE_HEADER);
  return found.length === 1 ? found[0]?.[1] : undefined;
}
