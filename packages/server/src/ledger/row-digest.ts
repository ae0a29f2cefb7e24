import { hash } from 'node:crypto';
import { canonicalJson, type Json } from '@keyhold/protocol/canonical-json';

/** SHA-256(32 random bytes ‖ text), lower-case hex; `salt` is hex. */
export function saltedDigest(salt: string, text: string): string {
  // As long as it is: in a row written past the ledger it may have any length.
  const random = Buffer.from(salt, 'hex');
  const bytes = Buffer.allocUnsafe(random.length + Buffer.byteLength(text));
  bytes.set(random);
  bytes.write(text, random.length);
  return hash('sha256', bytes, 'hex');
}

/** Digest of a row: its own random bytes ‖ JCS of all its other columns (DESIGN §5, "Entries"). */
export function rowDigest(row: { readonly salt: string }): string {
  const columns = { ...row, salt: undefined } as Readonly<Record<string, Json | undefined>>;
  return saltedDigest(row.salt, canonicalJson(columns));
}
