import { type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Kysely } from 'kysely';
import type { PersonRow, RoleGrantRow } from '../../database/people-rows.ts';
import type { Database } from '../../database/schema.ts';
import { readCheckedRows } from '../../ledger/checked-rows.ts';
import type { Recorded } from '../../ledger/entry.ts';
import { attributionWith, type Caller, type ChangeContext } from '../change-context.ts';
import { nameOf } from '../opener.ts';
import { refusePast } from '../read-expiry.ts';
import {
  describeGift,
  roleEntry,
  makeRole,
  noPerson,
  refuseGift,
  type RoleGift,
  withdrawInvitations,
} from './invite-person.ts';
import { hasOtherOwner, LAST_OWNER } from './find-other-owner.ts';
import { rowsOf } from './change-person.ts';
import { rolesOf } from './people.store.ts';
import { isInForce, isOwners, MAX_ROLES } from './person.ts';
import { takeAwayAll } from './take-away-all.ts';

type Reading = ChangeContext & { readonly reader: Kysely<Database> };

/** Gives a person a role. Nobody gives more than he has, nor to himself: somebody else has to want it too. */
export async function grantRole(
  context: Reading,
  caller: Caller,
  person: string,
  gift: RoleGift,
): Promise<Recorded<RoleGrantRow> | Refusal> {
  if (caller.principal.id === person) return refuse('FORBIDDEN', 'Nobody changes his own roles.');
  const excess = refuseGift(caller, gift);
  if (excess !== null) return excess;
  const row = makeRole(context, caller, person, gift);
  // Whoever asks what somebody may do asks by him, not by a role that he never heard of.
  const by = attributionWith(caller, { grant: row.id, ...describeGift(gift) });
  const draft = { ...by, ...roleEntry(nameOf(gift.role), gift.at), action: 'role.granted', subject: person };
  const locks = await rowsOf(context.reader, person);
  return await context.ledger.record({ ...draft, locks }, async (facts) => {
    const now = context.clock.wall();
    const past = refusePast(gift.expiresAt, now);
    if (past !== null) return past;
    const found = await facts.find('people', person);
    if (found === undefined || found.state === 'removed') return noPerson(person, found);
    const had = await rolesOf(facts.db, [person]);
    const living = had.filter((role) => isInForce(role, now));
    if (living.length >= MAX_ROLES) {
      return refuse('ILLEGAL_TRANSITION', `${MAX_ROLES} roles are the most: end one first.`);
    }
    // Who may still enrol as him could else wait until he is more. Whoever was only just invited is invited anew.
    await withdrawInvitations(facts, person);
    // What time has ended is no longer carried along.
    const over = had.filter((role) => !living.includes(role));
    await takeAwayAll(facts, 'role_grants', over, { state: 'ended' });
    return await facts.insert('role_grants', row);
  });
}

/** Ends a role. It works on a row that was tampered with too. */
export async function endRole(
  { ledger, reader }: Reading,
  caller: Caller,
  { id, person_id }: Pick<RoleGrantRow, 'id' | 'person_id'>,
): Promise<Recorded<PersonRow> | Refusal> {
  // What somebody wrote past the ledger is not entered as what was so.
  const [read] = await readCheckedRows(reader, ['role_grants'], [id]);
  const sound = read === undefined || 'tampered' in read ? null : (read.row as RoleGrantRow);
  const at = { project: sound?.project_id ?? null, environment: sound?.environment_id ?? null };
  const draft = {
    ...attributionWith(caller, { grant: id, role: sound?.role }),
    ...(sound === null ? { code: 'tampered' } : roleEntry(sound.role, at)),
    action: 'role.ended',
    subject: sound?.person_id ?? id,
    locks: [id, person_id],
  };
  return await ledger.record(draft, async (facts) => {
    const { row, tampered } = await facts.examine('role_grants', id);
    const person = (await facts.examine('people', person_id)).row;
    if (row === undefined || person === undefined) return noRole(id);
    if (isOwners(row) && person.state !== 'removed' && !(await hasOtherOwner(facts, id))) return LAST_OWNER;
    await facts[tampered ? 'overwrite' : 'update']('role_grants', row, { state: 'ended' });
    return person;
  });
}

export function noRole(id: string): Refusal {
  return refuse('ROLE_NOT_FOUND', `There is no role ${id}.`, 'id');
}
