import { hash } from 'node:crypto';
import { canonicalJson, type Json } from '@keyhold/protocol/canonical-json';

/** SHA-256(32 random bytes ‖ text), lower-case hex; `salt` is hex. */
export function saltedDigest(salt: string, text: string): string {
  return hash('sha256', Buffer.concat([Buffer.from(salt, 'hex'), Buffer.from(text)]), 'hex');
}

/** Digest of a row: its own random bytes ‖ JCS of all its other columns (DESIGN §5, "Entries"). */
export function rowDigest(row: { readonly salt: string }): string {
  const { salt, ...columns } = row as { salt: string } & Record<string, Json>;
  return saltedDigest(salt, canonicalJson(columns));
}
