import { canonicalJson } from './canonical-json.ts';

/** How far the clock of whoever makes a proof may be off, in milliseconds, and how old a proof may be. */
export const POSSESSION_WINDOW_MS = 10 * 60_000;

/** What a consumer signs to show that a public key is his own. */
export interface Possession {
  /** `project/environment` that it is meant for. */
  readonly environment: string;
  /** Consumer that the key is issued to, or key that is rotated: a proof is of no use to somebody else. */
  readonly holder: string;
  /** SubjectPublicKeyInfo, DER as lower-case hex. */
  readonly publicKey: string;
  /** RFC 3339. */
  readonly at: string;
}

/**
 * The bytes to sign, canonical JSON (RFC 8785). With Ed25519 they are signed as they are, with ECDSA P-256 with
 * SHA-256 (r ‖ s, IEEE P1363), with RSA by RSASSA-PSS with SHA-512 and a salt of 64 bytes, as RFC 9421 §3.3 does.
 */
export function possessionStatement({ environment, holder, publicKey, at }: Possession): Uint8Array {
  const statement = { at, environment, holder, publicKey, statement: 'keyhold/v1/possession' };
  return new TextEncoder().encode(canonicalJson(statement));
}
