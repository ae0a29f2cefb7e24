import { type Attribution, attribution, type Caller } from '../access/change-context.ts';
import type { EntryDraft } from '../ledger/entry.ts';
import type { PlacedKey } from './keys.store.ts';

/** What the entry of every change of a key says, and the row that it locks. */
export function keyEntry(caller: Caller, key: PlacedKey, action: string, by?: Attribution): EntryDraft {
  return {
    ...(by ?? attribution(caller)),
    action,
    subject: key.id,
    project: key.project_id,
    environment: key.environment_id,
    locks: [key.id],
  };
}
