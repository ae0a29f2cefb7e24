import type { Kysely } from 'kysely';
import type { RoleGrantRow } from '../../database/people-rows.ts';
import type { Database } from '../../database/schema.ts';
import type { ScimUserRow, SignOnRow } from '../../database/sign-on-rows.ts';
import { isRefusal } from '@keyhold/protocol/errors';
import { StoreUnavailable } from '../../database/store-fault.ts';
import { readCheckedRows } from '../../ledger/checked-rows.ts';
import type { Attribution, ChangeContext } from '../change-context.ts';
import { rolesOf } from '../people/people.store.ts';
import { isInForce } from '../people/person.ts';
import { isSettled, setRoles, type Wanted } from '../sign-on/set-roles.ts';
import { nameOfHeld } from '../sign-on/sign-on.ts';
import { listSignOns } from '../sign-on/sign-ons.store.ts';
import { keptRoles, rolesKeptFor } from './kept-roles.store.ts';
import { userIds } from './scim.store.ts';

export type SyncContext = Pick<ChangeContext, 'ledger' | 'clock' | 'random'> & { readonly reader: Kysely<Database> };

/** What an entry says of whose word it was; not what is asked before a change of his: the change is made already. */
export type By = Pick<Attribution, 'actor' | 'side'>;

const AT_ONCE = 50;

/**
 * Gives these users the roles of their groups of now, each in an entry of his own. Safe to repeat. What was written past
 * the ledger gives nothing, and its alarm tells.
 * @throws where the store fails: it is not done then, and has to be asked again
 */
export async function syncRoles(
  context: SyncContext,
  by: By,
  signOn: SignOnRow,
  users: readonly string[],
): Promise<void> {
  const kept = await keptRoles(context.reader, signOn);
  for (let i = 0; i < users.length; i += AT_ONCE) {
    const checked = await readCheckedRows(context.reader, ['scim_users'], users.slice(i, i + AT_ONCE));
    const rows = checked.flatMap((one) => ('tampered' in one ? [] : [one.row as ScimUserRow]));
    const had = await rolesOf(
      context.reader,
      rows.map(({ person_id }) => person_id),
    );
    const stale = rows.filter((user) => {
      // What he was told at a sign-in lasts its 12 hours: only what is kept here is looked at.
      const own = had.filter(({ person_id, expires_at }) => person_id === user.person_id && expires_at === null);
      return user.sign_on_id === signOn.id && !isSettled(own, signOn.id, user.active === 1 ? kept(user.id) : []);
    });
    await Promise.all(stale.map((user) => syncOne(context, by, signOn, user)));
  }
}

async function syncOne(context: SyncContext, by: By, signOn: SignOnRow, { id, person_id }: ScimUserRow): Promise<void> {
  const { ledger, reader, clock, random } = context;
  const had = await rolesOf(reader, [person_id]);
  const draft = { ...by, action: 'sign-on.roles-set', subject: person_id, about: person_id };
  const locks = [person_id, id, signOn.id, ...had.map((role) => role.id)];
  const recorded = await ledger.record({ ...draft, locks }, async (facts) => {
    const [provider, person] = [await facts.find('sign_ons', signOn.id), await facts.find('people', person_id)];
    const user = await facts.find('scim_users', id);
    if (provider === undefined || person === undefined || person.state === 'removed') return null;
    // As it is within this change: others may have changed the groups meanwhile.
    const isKept = user?.active === 1 && user.person_id === person_id;
    const kept = isKept ? await rolesKeptFor(facts, provider, id) : [];
    const now = clock.wall();
    const told = (await rolesOf(facts.db, [person_id])).filter((role) => isTold(role, provider.id, now));
    const wanted = [...kept, ...beside(kept, told)];
    await setRoles(facts, random, provider, person_id, wanted, now);
    return null;
  });
  if (isRefusal(recorded) && recorded.refused !== 'ROW_TAMPERED')
    throw new StoreUnavailable(`roles could not be set: ${recorded.refused}`);
}

function beside(kept: readonly Wanted[], told: readonly RoleGrantRow[]): readonly Wanted[] {
  const names = new Set(kept.map(({ held }) => nameOfHeld(held)));
  const rest = told.filter((role) => !names.has(nameOfHeld(role)));
  return rest.map((held) => ({ held, expiresAt: held.expires_at }));
}

/** Given at a sign-in, for its 12 hours: no matter of what is kept here. */
function isTold(role: RoleGrantRow, signOn: string, nowMs: number): boolean {
  return role.granted_by === signOn && role.expires_at !== null && isInForce(role, nowMs);
}

/** Every user of a provider has the roles of his groups: after it was saved, and whatever was cut short. */
export async function syncSignOn(context: SyncContext, signOn: SignOnRow): Promise<void> {
  for await (const users of userIds(context.reader, signOn.id)) {
    await syncRoles(context, { actor: 'system' }, signOn, users);
    // There may be very many: let others have a turn.
    await new Promise(setImmediate);
  }
}

export async function syncAll(context: SyncContext): Promise<void> {
  for (const signOn of await listSignOns(context.reader)) await syncSignOn(context, signOn);
}
