import { refuse } from '@keyhold/protocol/errors';
import type { Facts } from '../../ledger/facts.ts';
import { isOwners } from './person.ts';
import { passkeysOf } from '../sign-in/sessions.store.ts';
import { ownersRoleIds, rolesOf } from './people.store.ts';

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
    if ((await goodPasskeys(facts, person.row.id)) > 0) return true;
  }
  return false;
}

/** Whether nobody else could manage the installation. */
export async function isLastOwner(facts: Facts, id: string): Promise<boolean> {
  return (await rolesOf(facts.db, [id])).some(isOwners) && !(await hasOtherOwner(facts, id));
}

/** Passkeys that a person can sign in with: those that are what the ledger recorded. */
export async function goodPasskeys(facts: Facts, person: string): Promise<number> {
  let good = 0;
  for (const { id } of await passkeysOf(facts.db, person)) {
    const { row, tampered } = await facts.examine('person_passkeys', id);
    if (row?.state === 'active' && row.person_id === person && !tampered) good++;
  }
  return good;
}
