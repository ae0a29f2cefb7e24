import { refuse } from '@keyhold/protocol/errors';
import type { Facts } from '../../ledger/facts.ts';
import { isOwners } from './person.ts';
import { countPasskeys, ownersRoleIds } from './people.store.ts';

export const LAST_OWNER = refuse(
  'LAST_OWNER',
  'Make somebody else an owner of the installation first, without an end, and let him enrol a passkey.',
);

/**
 * Whether an owner is left who can sign in, without this person or this role. What was tampered with counts for nobody:
 * a row slipped in past the ledger must not let the last true owner go.
 */
export async function hasOtherOwner(facts: Facts, without: string): Promise<boolean> {
  for (const id of await ownersRoleIds(facts.db)) {
    const role = await facts.examine('role_grants', id);
    if (id === without || role.row === undefined || role.tampered || !isOwners(role.row)) continue;
    const person = await facts.examine('people', role.row.person_id);
    if (person.row?.state !== 'active' || person.tampered || person.row.id === without) continue;
    if (((await countPasskeys(facts.db, [person.row.id])).get(person.row.id) ?? 0) > 0) return true;
  }
  return false;
}
