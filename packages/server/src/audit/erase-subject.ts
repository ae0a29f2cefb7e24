import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import type { Scratch } from '../database/scratch.ts';
import type { EntryDraft } from '../ledger/entry.ts';
import type { Vault } from '../vault/vault.ts';
import { deleteSidesUnder, listPersonalKeysOf } from './personal.store.ts';
import type { PersonalParts } from './personal-parts.ts';

/** Keys of one entry: its leaf is bounded. */
const KEYS_OF_AN_ENTRY = 40;

export interface Erased {
  /** Keys that were destroyed: one for each month that there was something of the subject in. */
  readonly keys: number;
  /** Of the newest entry. */
  readonly sequence: number;
}

/**
 * Erases whatever personal parts entries have of a subject: the keys are destroyed, with an entry, and what lay under
 * them opens no more. Every proof holds as before: leaves only ever committed to it.
 */
export async function eraseSubject(
  { vault, scratch, personal }: { vault: Vault; scratch: Scratch; personal: PersonalParts },
  caller: Pick<EntryDraft, 'actor' | 'side'>,
  subject: string,
): Promise<Erased | Refusal> {
  // What was written while sealed lies under no key of a subject yet.
  const moved = await personal.move();
  if (isRefusal(moved)) return moved;
  const draft = { ...caller, action: 'subject.erased', subject, evenWithoutChange: true as const };
  for (let keys = 0; ; ) {
    const ids = await listPersonalKeysOf(vault.reader, subject, KEYS_OF_AN_ENTRY);
    const recorded = await vault.ledger.record({ ...draft, code: `keys-${ids.length}`, locks: ids }, async (facts) => {
      for (const id of ids) {
        // INVARIANT: what somebody tampered with goes too.
        const { row } = await facts.examine('personal_keys', id);
        if (row !== undefined) await facts.remove('personal_keys', row);
      }
      return null;
    });
    if (isRefusal(recorded)) return recorded;
    personal.keys.forget(ids);
    if (ids.length > 0) await scratch.write((tables) => deleteSidesUnder(tables, ids));
    keys += ids.length;
    if (ids.length < KEYS_OF_AN_ENTRY) return { keys, sequence: recorded.sequence };
  }
}
