import type { Leaf } from '@keyhold/protocol/leaf';
import type { PersonalParts } from '../audit/personal-parts.ts';
import type { Store } from '../database/store.ts';
import { listEntries } from '../ledger/entries.store.ts';

const PAGE = 200;

/** Opens the personal parts of every entry that has some, and holds them against what the entry commits to. */
export async function openEverySide(
  store: Store,
  personal: PersonalParts,
): Promise<{ opened: number; broken: string[] }> {
  let opened = 0;
  const broken: string[] = [];
  for (let beyond = 0; ; ) {
    const entries = await listEntries(store.reader, { order: 'asc', beyond, limit: PAGE });
    for (const { sequence, leaf, side } of entries) {
      if (side === null) continue;
      const { state } = await personal.open(JSON.parse(leaf) as Leaf, side);
      if (state === 'shown') opened++;
      // Of a subject that was erased nothing is left that could open.
      else if (state !== 'erased') broken.push(`the personal parts of entry ${sequence}: ${state}`);
    }
    const last = entries.at(-1);
    if (last === undefined || entries.length < PAGE) return { opened, broken };
    beyond = last.sequence;
  }
}
