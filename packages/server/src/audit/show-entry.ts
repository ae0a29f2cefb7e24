import type { Leaf } from '@keyhold/protocol/leaf';
import type { Entry } from '@keyhold/protocol/operations/audit';
import type { KeptEntry } from '../ledger/entries.store.ts';
import type { PersonalParts } from './personal-parts.ts';

/** An entry as it is read. Without `personal` its personal part is left out. */
export async function showEntry(
  personal: PersonalParts | null,
  { at, side, leaf: text, ...entry }: KeptEntry,
): Promise<Entry> {
  const leaf = JSON.parse(text) as Leaf;
  const shown = { ...entry, leaf: text, at: new Date(at).toISOString(), side: null, sideSalt: null };
  if (leaf.side === null) return { ...shown, sideState: 'none' };
  if (personal === null) return { ...shown, sideState: 'withheld' };
  if (side === null) return { ...shown, sideState: 'erased' };
  const opened = await personal.open(leaf, side);
  if (opened.state !== 'shown') return { ...shown, sideState: opened.state };
  return { ...shown, side: JSON.parse(opened.text) as unknown, sideSalt: opened.salt, sideState: 'shown' };
}
