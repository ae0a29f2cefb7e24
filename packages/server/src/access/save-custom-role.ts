import { type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Kysely } from 'kysely';
import type { CustomRoleRow } from '../database/people-rows.ts';
import type { Database } from '../database/schema.ts';
import { readCheckedRows } from '../ledger/checked-rows.ts';
import type { Recorded } from '../ledger/entry.ts';
import { type Action, ACTIONS, OWNERS_ONLY } from './authorise.ts';
import { attribution, attributionWith, type Caller, type ChangeContext } from './change-context.ts';
import { findCustomRole, isHeld } from './custom-roles.store.ts';
import { isBuiltIn } from './opener.ts';
import { isMapped } from './sign-on/sign-ons.store.ts';
import { INSTALLATION } from './principal.ts';
import { refuseExcess } from './refuse-excess.ts';

export interface CustomRoleInput {
  readonly name: string;
  readonly actions: readonly string[];
  readonly about: string;
}

type Reading = ChangeContext & { readonly reader: Kysely<Database> };

/**
 * Makes a role, or changes what it opens. Whoever adds an action gives it to all who hold the role, wherever they do, or
 * are given it at this moment: he has to have it everywhere, and for good.
 * @param mayAdd false: whoever asks waited for nobody, for it added nothing when he asked
 */
export async function saveCustomRole(
  context: Reading,
  caller: Caller,
  { name, actions, about }: CustomRoleInput,
  mayAdd: boolean,
): Promise<Recorded<CustomRoleRow> | Refusal> {
  const wrong = refuseName(name) ?? refuseActions(actions);
  if (wrong !== null) return wrong;
  const { ledger, reader, random, clock } = context;
  const id = (await findCustomRole(reader, name))?.id ?? random.newId('customRole');
  const by = attributionWith(caller, { name, actions, about });
  const draft = { ...by, action: 'custom-role.saved', subject: id, locks: [id] };
  return await ledger.record(draft, async (facts) => {
    const found = await findCustomRole(facts.db, name);
    if (found !== undefined && found.id !== id)
      return refuse('ROLE_IN_USE', 'Somebody made it at this moment: look again.');
    // What was tampered with opens nothing: all of it is added.
    const { row, tampered } = await facts.examine('custom_roles', id);
    const had = row === undefined || tampered ? [] : (JSON.parse(row.actions) as string[]);
    const added = actions.filter((action) => !had.includes(action));
    if (!mayAdd && added.length > 0) return refuse('ROLE_IN_USE', 'Somebody changed it at this moment: look again.');
    const excess = refuseAdded(caller, name, added);
    if (excess !== null) return excess;
    const saved = { actions: JSON.stringify(actions), about, saved_at: clock.wall() };
    if (row === undefined)
      return await facts.insert('custom_roles', { id, name, created_at: saved.saved_at, ...saved });
    return await facts[tampered ? 'overwrite' : 'update']('custom_roles', row, saved);
  });
}

/** Whether a role would open something that it does not open now. */
export async function addsActions(reader: Kysely<Database>, { name, actions }: CustomRoleInput): Promise<boolean> {
  const found = await findCustomRole(reader, name);
  const [whole] = found === undefined ? [] : await readCheckedRows(reader, ['custom_roles'], [found.id]);
  if (whole === undefined || 'tampered' in whole) return true;
  const had = JSON.parse((whole.row as CustomRoleRow).actions) as string[];
  return actions.some((action) => !had.includes(action));
}

function refuseAdded({ principal }: Caller, name: string, added: readonly string[]): Refusal | null {
  if (added.length === 0) return null;
  const openers = [{ name, actions: added as readonly Action[] }];
  return refuseExcess(principal, { by: 'custom-roles.change', openers, at: [INSTALLATION], expiresAt: null });
}

function refuseName(name: string): Refusal | null {
  return isBuiltIn(name) ? refuse('INVALID_INPUT', `"${name}" is one of the roles that there are.`, 'name') : null;
}

function refuseActions(actions: readonly string[]): Refusal | null {
  const unknown = actions.findIndex((action) => !(ACTIONS as readonly string[]).includes(action));
  if (unknown >= 0) return refuse('INVALID_INPUT', `There is no action "${actions[unknown]}".`, `/actions/${unknown}`);
  const owners = actions.findIndex((action) => (OWNERS_ONLY as readonly string[]).includes(action));
  return owners < 0 ? null : refuse('INVALID_INPUT', `Owners alone do ${actions[owners]}.`, `/actions/${owners}`);
}

/** Removes a role that nobody holds: under its name another could else open more to whoever does. */
export async function removeCustomRole(
  { ledger, reader }: Reading,
  caller: Caller,
  name: string,
): Promise<Recorded<string> | Refusal> {
  const absent = refuse('CUSTOM_ROLE_NOT_FOUND', `There is no custom role "${name}".`, 'name');
  const found = await findCustomRole(reader, name);
  if (found === undefined) return absent;
  const { id } = found;
  const draft = { ...attribution(caller), action: 'custom-role.removed', subject: id, locks: [id] };
  return await ledger.record(draft, async (facts) => {
    if (await isHeld(facts.db, name)) return refuse('ROLE_IN_USE', 'Somebody holds it: end those roles first.', 'name');
    if (await isMapped(facts.db, name)) return refuse('ROLE_IN_USE', 'Groups of a provider give it.', 'name');
    const { row } = await facts.examine('custom_roles', id);
    if (row === undefined) return absent;
    await facts.remove('custom_roles', row);
    facts.removed.push(id);
    return name;
  });
}
