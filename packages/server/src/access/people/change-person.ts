import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Kysely } from 'kysely';
import type { PersonRow } from '../../database/people-rows.ts';
import type { Database, FactTable, FactTables } from '../../database/schema.ts';
import { isStoreFault } from '../../database/store-fault.ts';
import type { Recorded } from '../../ledger/entry.ts';
import type { Facts } from '../../ledger/facts.ts';
import { attribution, type Attribution, type Caller, type ChangeContext } from '../change-context.ts';
import { GONE } from '../passwords/password.ts';
import { passwordsOf } from '../passwords/passwords.store.ts';
import { identitiesOf } from '../sign-on/sign-ons.store.ts';
import { passkeysOf, sessionsOf } from '../sign-in/sessions.store.ts';
import { noPerson, refuseAbove, withdrawInvitations, withdrawInvitationsBy } from './invite-person.ts';
import { isLastOwner, LAST_OWNER } from './find-other-owner.ts';
import { openInvitations, rolesOf } from './people.store.ts';
import type { RoleNamed } from './person.ts';
import { isFull, takeAwayAll } from './take-away-all.ts';

type Reading = ChangeContext & { readonly reader: Kysely<Database> };
type Ending = Pick<Reading, 'ledger' | 'clock' | 'reader'>;
type Changed = Recorded<PersonRow> | Refusal;

/** Ends a person's sessions, and lets him sign in no more. It works on rows that were tampered with too. */
export async function suspendPerson(context: Reading, caller: Caller, id: string): Promise<Changed> {
  const draft = { ...attribution(caller), action: 'person.suspended', subject: id };
  const locks = await rowsOf(context.reader, id);
  return await context.ledger.record({ ...draft, locks }, async (facts) => {
    const { row, tampered } = await facts.examine('people', id);
    if (row === undefined || (row.state === 'removed' && !tampered)) return noPerson(id, row);
    if (row.state === 'invited' && !tampered) {
      return refuse('ILLEGAL_TRANSITION', 'The person has not enrolled yet: remove him.');
    }
    if ((tampered || row.state === 'active') && (await isLastOwner(facts, id))) return LAST_OWNER;
    const over = { state: 'suspended', sessions_after: context.clock.wall() } as const;
    const person = await facts[tampered ? 'overwrite' : 'update']('people', row, over);
    // Before the sessions, which end by his row, however little room they leave.
    await withdrawInvitations(facts, id);
    await endSessions(facts, id);
    return person;
  });
}

/** Lets a suspended person sign in again; only who could make him what he is. */
export async function resumePerson(
  context: Reading & { readonly roleNamed: RoleNamed },
  caller: Caller,
  id: string,
): Promise<Changed> {
  const draft = { ...attribution(caller), action: 'person.resumed', subject: id, locks: [id] };
  return await context.ledger.record(draft, async (facts) => {
    const row = await facts.find('people', id);
    if (row === undefined || row.state === 'removed') return noPerson(id, row);
    if (row.state !== 'suspended') return refuse('ILLEGAL_TRANSITION', `The person is ${row.state}.`);
    const above = await refuseAbove(context, facts, caller.principal, id);
    return above ?? (await facts.update('people', row, { state: 'active' }));
  });
}

/** Ends all that a person has, for good. */
export async function removePerson(context: Reading, caller: Caller, id: string): Promise<Changed> {
  const by = attribution(caller);
  const removed = await endPerson(context, by, id);
  if (isRefusal(removed)) return removed;
  // He may have removed himself: what is left to end asks for nobody any more.
  await emptyPerson(context, { actor: by.actor, side: by.side }, id);
  return removed;
}

/**
 * Ends a person; `emptyPerson` ends the rest of what he has. His own row comes first: whatever happens to the rest, he is
 * out. It works on rows that were tampered with too.
 * @param also what is written in the same entry
 */
export async function endPerson(
  context: Ending,
  by: Attribution,
  id: string,
  also?: (facts: Facts) => Promise<unknown>,
): Promise<Changed> {
  const now = context.clock.wall();
  const draft = { ...by, action: 'person.removed', subject: id, locks: await rowsOf(context.reader, id) };
  return await context.ledger.record(draft, async (facts) => {
    const { row, tampered } = await facts.examine('people', id);
    if (row === undefined) return noPerson(id);
    if ((tampered || row.state === 'active') && (await isLastOwner(facts, id))) return LAST_OWNER;
    const over = row.state === 'removed' ? {} : { sessions_after: now, passkeys_after: now };
    const person = await facts[tampered ? 'overwrite' : 'update']('people', row, { state: 'removed', ...over });
    await endSessions(facts, id);
    await also?.(facts);
    return person;
  });
}

/** Rows of one kind that a person has, and how they end. */
interface Kind {
  readonly of: (db: Kysely<Database>, person: string) => Promise<readonly { readonly id: string }[]>;
  /** Resolves to whether more are left. */
  readonly end: (facts: Facts, person: string) => Promise<boolean>;
}

function kind<T extends FactTable>(table: T, of: Kind['of'], over: Partial<Omit<FactTables[T], 'id' | 'salt'>>): Kind {
  return { of, end: async (facts, person) => await takeAwayAll(facts, table, await of(facts.db, person), over) };
}

const KINDS: readonly Kind[] = [
  kind('invitations', openInvitations, { state: 'withdrawn' }),
  kind('sessions', sessionsOf, { state: 'ended' }),
  kind('person_passkeys', passkeysOf, { state: 'removed' }),
  kind('person_passwords', passwordsOf, GONE),
  kind('role_grants', (db, person) => rolesOf(db, [person]), { state: 'ended' }),
  kind('person_identities', identitiesOf, { state: 'removed' }),
];

/**
 * Ends what a removed person still has, and what he gave out that lets somebody in; as many entries as it takes. Safe to
 * repeat. What can't be ended keeps no other kind from ending, and is thrown once these did.
 */
export async function emptyPerson(context: Ending, by: Attribution, id: string): Promise<void> {
  const faults: unknown[] = [];
  const end = async (kinds: readonly Kind[]) => {
    try {
      await endKinds(context, by, id, kinds);
    } catch (error) {
      // Where the store fails, all of it is for later.
      if (isStoreFault(error)) throw error;
      faults.push(error);
    }
  };
  await end(KINDS);
  if (faults.length > 0) for (const one of KINDS) if ((await one.of(context.reader, id)).length > 0) await end([one]);
  await withdrawInvitationsBy(context, by, [id]);
  if (faults.length > 0) throw faults[0];
}

async function endKinds(
  { ledger, reader }: Ending,
  by: Attribution,
  id: string,
  kinds: readonly Kind[],
): Promise<void> {
  for (let isMore = true; isMore; ) {
    const draft = { ...by, action: 'person.emptied', subject: id, locks: await rowsOf(reader, id) };
    const emptied = await ledger.record(draft, async (facts) => {
      for (const one of kinds) if (await one.end(facts, id)) return true;
      return false;
    });
    isMore = !isRefusal(emptied) && emptied.value;
  }
}

/**
 * INVARIANT: none of them is good any more without this, by `sessions_after` or the end of the passkey, which the caller
 * writes into the same entry: ones that somebody revived past the ledger take the room of nothing else.
 */
export async function endSessions(facts: Facts, person: string, passkey?: string): Promise<number> {
  let ended = 0;
  for (const { id, passkey_id } of await sessionsOf(facts.db, person)) {
    if (isFull(facts)) break;
    if (passkey !== undefined && passkey_id !== passkey) continue;
    if ((await facts.takeAway('sessions', id, { state: 'ended' })) !== undefined) ended++;
  }
  return ended;
}

/**
 * Passkeys and passwords, as far as there is room: what is older than `passkeys_after` is good no more by itself.
 * @param except id of one that stays
 * @returns whether more are left
 */
export async function removeWaysIn(facts: Facts, person: string, except?: string): Promise<boolean> {
  const passwords = (await passwordsOf(facts.db, person)).filter(({ id }) => id !== except);
  return (
    (await takeAwayAll(facts, 'person_passkeys', await passkeysOf(facts.db, person), { state: 'removed' })) ||
    (await takeAwayAll(facts, 'person_passwords', passwords, GONE))
  );
}

/** Ids of all rows of a person that a change of him may touch. */
export async function rowsOf(reader: Kysely<Database>, id: string): Promise<string[]> {
  const lists = await Promise.all(KINDS.map(({ of }) => of(reader, id)));
  return [id, ...lists.flat().map((row) => row.id)];
}
