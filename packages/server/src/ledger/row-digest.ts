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

/** Rows read again and again: the token of a busy service, the consumer that it issues keys for. */
const MAX_KEPT = 500;
/** Characters of a row that is kept: ciphertext is read once and would fill the memory. */
const MAX_ROW = 4_096;
const kept = new Map<string, { readonly row: object; readonly digest: string }>();

/**
 * The same, for a row that was read: an equal row has an equal digest, and comparing costs less than hashing.
 * INVARIANT: every column is compared, so that nothing written past the ledger is taken for what was there before.
 */
export function digestOfRead(row: { readonly id: string; readonly salt: string }): string {
  const known = kept.get(row.id);
  if (known !== undefined && isSame(row, known.row)) return known.digest;
  const digest = rowDigest(row);
  if (sizeOf(row) > MAX_ROW) return digest;
  if (known === undefined && kept.size >= MAX_KEPT) kept.clear();
  kept.set(row.id, { row: { ...row }, digest });
  return digest;
}

function sizeOf(row: object): number {
  return Object.values(row).reduce<number>((sum, value) => sum + (typeof value === 'string' ? value.length : 8), 0);
}

function isSame(a: object, b: object): boolean {
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  const [left, right] = [a, b] as Readonly<Record<string, unknown>>[];
  return names.every((name) => left?.[name] === right?.[name] && name in b);
}
