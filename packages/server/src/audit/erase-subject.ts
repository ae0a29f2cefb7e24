import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import type { Scratch } from '../database/scratch.ts';
import { StoreUnavailable } from '../database/store-fault.ts';
import type { Attributed } from '../ledger/entry.ts';
import type { Vault } from '../vault/vault.ts';
import { deleteSidesUnder, deleteStaying, listPersonalKeysOf, type StayingSide } from './personal.store.ts';
import type { PersonalParts } from './personal-parts.ts';

/** Keys of one entry: its leaf is bounded. */
const KEYS_OF_AN_ENTRY = 40;
/** Months are few; each round takes the keys of {@link KEYS_OF_AN_ENTRY} of them. */
const MAX_ROUNDS = 100;

export interface Erased {
  /** Keys that were destroyed: one for each month that there was something of the subject in. */
  readonly keys: number;
  /** Of the newest entry. */
  readonly sequence: number;
}

export interface Erasing {
  readonly vault: Vault;
  readonly scratch: Scratch;
  readonly personal: PersonalParts;
  /** Enters what was counted of anybody and is not entered yet: later it would be entered anew. Whether all is. */
  readonly enterCounted: () => Promise<boolean>;
  /** Forgets what is kept of the subject elsewhere. */
  readonly forget: (subject: string) => Promise<void>;
}

/**
 * Erases whatever personal parts entries have of a subject: the keys are destroyed, with an entry, and what lay under
 * them opens no more. Every proof holds as before: leaves only ever committed to it.
 */
export async function eraseSubject(
  { vault, scratch, personal, enterCounted, forget }: Erasing,
  caller: Attributed,
  subject: string,
): Promise<Erased | Refusal> {
  if (!(await enterCounted())) throw new StoreUnavailable('what was counted is not entered yet');
  const draft = { ...caller, action: 'subject.erased', subject, evenWithoutChange: true as const };
  let keys = 0;
  let sequence = 0;
  let staying: readonly StayingSide[] = [];
  for (let round = 0; round < MAX_ROUNDS; round++) {
    // What was written while sealed lies under no key of a subject yet; nor what a damaged key kept back until now.
    const moved = await personal.move();
    if (isRefusal(moved)) return moved;
    staying = moved;
    const ids = await listPersonalKeysOf(vault.reader, subject, KEYS_OF_AN_ENTRY);
    if (ids.length === 0 && round > 0) break;
    // Who erases himself leaves his address in the first of these entries, and its key goes with the next.
    const { side, ...bare } = draft;
    const entry = { ...bare, ...(round === 0 ? { side } : {}), code: `keys-${ids.length}`, locks: ids };
    const recorded = await vault.ledger.record(entry, async (facts) => {
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
    sequence = recorded.sequence;
  }
  // INVARIANT: nothing of the subject opens, nor will when a key is put back. Where it can't be told whose a side is it
  // is rather lost.
  const lost = staying.filter(({ about }) => about === null || about === subject);
  await scratch.write((tables) => deleteStaying(tables, lost));
  await forget(subject);
  await scratch.purge();
  return { keys, sequence };
}
