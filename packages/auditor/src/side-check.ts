import { canonicalJson, type Json } from '@keyhold/protocol/canonical-json';
import type { Leaf } from '@keyhold/protocol/leaf';
import type { Sha256 } from '@keyhold/protocol/log/merkle';

/** A side that is shown has to be what the leaf commits to. */
export function sideProblem(
  sha256: Sha256,
  { side, sideSalt }: { readonly side: unknown; readonly sideSalt: unknown },
  leaf: Pick<Leaf, 'side'>,
): string | null {
  if (side === null) return null;
  if (typeof sideSalt !== 'string' || !/^[0-9a-f]{64}$/.test(sideSalt))
    return 'a side is shown without its random bytes';
  const salt = Uint8Array.from(sideSalt.match(/../g) as string[], (byte) => Number.parseInt(byte, 16));
  const text = canonicalOf(side);
  if (text === null) return 'the side that is shown is nothing that a leaf can commit to';
  const found = toHex(sha256(Uint8Array.from([...salt, ...new TextEncoder().encode(text)])));
  return found === leaf.side ? null : 'the side is not the one that the leaf commits to';
}

/** Null where it has no canonical form, or is nested without end. */
function canonicalOf(side: unknown): string | null {
  try {
    return canonicalJson(side as Json);
  } catch {
    return null;
  }
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
