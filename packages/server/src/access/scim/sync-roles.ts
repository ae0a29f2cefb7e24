import type { Kysely } from 'kysely';
import type { Database } from '../../database/schema.ts';
import type { SignOnRow } from '../../database/sign-on-rows.ts';
import type { Attribution, ChangeContext } from '../change-context.ts';
import type { RoleGrantRow } from '../../database/people-rows.ts';
import { rolesOf } from '../people/people.store.ts';
import { isInForce } from '../people/person.ts';
import { isSettled, setRoles } from '../sign-on/set-roles.ts';
import { nameOfHeld } from '../sign-on/sign-on.ts';
import { listSignOns } from '../sign-on/sign-ons.store.ts';
import { rolesKeptFor } from './kept-roles.store.ts';
import { findUser, userIds } from './scim.store.ts';

export type SyncContext = Pick<ChangeContext, 'ledger' | 'clock' | 'random'> & { readonly reader: Kysely<Database> };

const AT_ONCE = 50;

/** Gives these users the roles of their groups of now, each in an entry of his own. Safe to repeat. */
export async function syncRoles(
  context: SyncContext,
  by: Attribution,
  signOn: SignOnRow,
  users: readonly string[],
): Promise<void> {
  for (let i = 0; i < users.length; i += AT_ONCE)
    await Promise.all(users.slice(i, i + AT_ONCE).map((user) => syncOne(context, by, signOn, user)));
}

async function syncOne(context: SyncContext, by: Attribution, signOn: SignOnRow, id: string): Promise<void> {
  const { ledger, reader, clock, random } = context;
  const user = await findUser(reader, signOn.id, id);
  if (user === undefined) return;
  const had = await rolesOf(reader, [user.person_id]);
  // What he was told at a sign-in lasts its 12 hours: only what is kept here is looked at.
  const lasting = had.filter(({ expires_at }) => expires_at === null);
  if (isSettled(lasting, signOn.id, await rolesKeptFor(reader, signOn, id))) return;
  const person = user.person_id;
  const draft = { ...by, action: 'sign-on.roles-set', subject: person, about: person, idempotency: undefined };
  const locks = [person, signOn.id, ...had.map((role) => role.id)];
  await ledger.record({ ...draft, locks }, async (facts) => {
    const [provider, found] = [await facts.find('sign_ons', signOn.id), await facts.find('people', person)];
    if (provider === undefined || found === undefined || found.state === 'removed') return null;
    // As it is within this change: others may have changed the groups meanwhile.
    const kept = await rolesKeptFor(facts.db, provider, id);
    const now = clock.wall();
    const told = (await rolesOf(facts.db, [person])).filter((role) => isTold(role, provider.id, now));
    const names = new Set(kept.map(({ held }) => nameOfHeld(held)));
    const rest = told.filter((role) => !names.has(nameOfHeld(role)));
    const wanted = [...kept, ...rest.map((held) => ({ held, expiresAt: held.expires_at }))];
    await setRoles(facts, random, provider, person, wanted, now);
    return null;
  });
}

/** Given at a sign-in, for its 12 hours: no matter of what is kept here. */
function isTold(role: RoleGrantRow, signOn: string, nowMs: number): boolean {
  return role.granted_by === signOn && role.expires_at !== null && isInForce(role, nowMs);
}

/** Every user of a provider has the roles of his groups: after it was saved, and whatever was cut short. */
export async function syncSignOn(context: SyncContext, signOn: SignOnRow): Promise<void> {
  for await (const users of userIds(context.reader, signOn.id))
    await syncRoles(context, { actor: 'system' }, signOn, users);
}

export async function syncAll(context: SyncContext): Promise<void> {
  for (const signOn of await listSignOns(context.reader)) await syncSignOn(context, signOn);
}
