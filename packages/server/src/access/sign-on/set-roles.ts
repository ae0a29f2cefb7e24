import type { RoleGrantRow } from '../../database/people-rows.ts';
import type { SignOnRow } from '../../database/sign-on-rows.ts';
import type { Facts } from '../../ledger/facts.ts';
import type { Random } from '../../random.ts';
import { rolesOf } from '../people/people.store.ts';
import { isInForce, MAX_ROLES } from '../people/person.ts';
import { type MappedRole, nameOfHeld } from './sign-on.ts';

/** A role that a provider's groups give somebody now, and until when; null: as long as he is in them. */
export interface Wanted {
  readonly held: Pick<MappedRole, 'role' | 'project_id' | 'environment_id'>;
  readonly expiresAt: number | null;
}

/** Roles of a person within a change that are not ended. */
export interface HeldRoles {
  /** As the ledger recorded them. */
  readonly sound: readonly RoleGrantRow[];
  /** What somebody wrote past it: it opens nothing, and says nothing of what it was. */
  readonly tampered: readonly RoleGrantRow[];
}

export async function heldRoles(facts: Facts, person: string): Promise<HeldRoles> {
  const held = { sound: [] as RoleGrantRow[], tampered: [] as RoleGrantRow[] };
  for (const { id } of await rolesOf(facts.db, [person])) {
    const { row, tampered, known } = await facts.examine('role_grants', id);
    if (row !== undefined && known) held[tampered ? 'tampered' : 'sound'].push(row);
  }
  return held;
}

/**
 * Gives a person just these roles of a provider's: others that it gave end, those by hand stay. What does not fit beside
 * them is left out, the last ones, whatever he had before: what ends them all has to fit into one entry. What was written past the ledger ends, whoever gave it:
 * it may be what is taken away here.
 */
export async function setRoles(
  facts: Facts,
  random: Random,
  signOn: Pick<SignOnRow, 'id' | 'name'>,
  person: string,
  had: HeldRoles,
  wanted: readonly Wanted[],
  nowMs: number,
): Promise<void> {
  for (const role of had.tampered) await facts.overwrite('role_grants', role, { state: 'ended' });
  const others = had.sound.filter((role) => role.granted_by !== signOn.id && isInForce(role, nowMs)).length;
  const fitting = wanted.slice(0, Math.max(0, MAX_ROLES - others));
  const missing = new Map(fitting.map((one) => [nameOfHeld(one.held), one]));
  for (const role of had.sound.filter(({ granted_by }) => granted_by === signOn.id)) {
    const name = nameOfHeld(role);
    const one = isInForce(role, nowMs) ? missing.get(name) : undefined;
    // One that is over by time is no reason not to give it anew.
    if (one !== undefined) missing.delete(name);
    const change = one === undefined ? { state: 'ended' as const } : { expires_at: one.expiresAt };
    await facts.update('role_grants', role, change);
  }
  for (const { held, expiresAt } of missing.values()) {
    await facts.insert('role_grants', {
      ...{ id: random.newId('roleGrant'), person_id: person, role: held.role, project_id: held.project_id },
      ...{ environment_id: held.environment_id, reason: `group at ${signOn.name}`, expires_at: expiresAt },
      ...{ state: 'active' as const, granted_by: signOn.id, created_at: nowMs },
    });
  }
}

/** Whether that would change anything. */
export function isSettled(had: readonly RoleGrantRow[], signOn: string, wanted: readonly Wanted[]): boolean {
  const own = had.filter(({ granted_by }) => granted_by === signOn).map((role) => [nameOfHeld(role), role.expires_at]);
  const needed = wanted.map(({ held, expiresAt }) => [nameOfHeld(held), expiresAt]);
  return JSON.stringify(own.sort()) === JSON.stringify(needed.sort());
}
