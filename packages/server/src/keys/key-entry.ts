import { type Attribution, attribution, type Caller } from '../access/change-context.ts';
import type { EntryDraft } from '../ledger/entry.ts';
import type { PlacedKey } from './keys.store.ts';

interface KeySettings {
  readonly name?: unknown;
  readonly metadata?: unknown;
  readonly addressBook?: readonly string[] | undefined;
  readonly allowedNetworks?: readonly string[] | undefined;
}

/**
 * What an entry says that a key was given: what it may do. What it is called, and the networks and addresses, are of whom
 * it was issued to: they go with the key's own row, and not only with whoever set them; here is how many there are.
 */
export function givenTo({ name: _, metadata: __, addressBook, allowedNetworks, ...set }: KeySettings): object {
  return { ...set, addresses: addressBook?.length, networks: allowedNetworks?.length };
}

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
