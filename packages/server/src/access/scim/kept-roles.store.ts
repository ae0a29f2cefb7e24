import type { Kysely } from 'kysely';
import type { Database } from '../../database/schema.ts';
import type { SignOnRow } from '../../database/sign-on-rows.ts';
import type { Wanted } from '../sign-on/set-roles.ts';
import { mappedRolesOf, rolesFor } from '../sign-on/sign-on.ts';
import { findIdentity } from '../sign-on/sign-ons.store.ts';
import { findUserOf, groupsOf } from './scim.store.ts';

type Db = Kysely<Database>;

/** The roles that groups give which a provider keeps here: they last until it says otherwise. */
export async function rolesKeptFor(db: Db, signOn: SignOnRow, user: string): Promise<readonly Wanted[]> {
  const groups = (await groupsOf(db, signOn.id, [user])).get(user) ?? [];
  const names = groups.map(({ display_name }) => display_name);
  return rolesFor(mappedRolesOf(signOn), names).map((held) => ({ held, expiresAt: null }));
}

/** The same by who he is to the provider; none where it does not keep him here. */
export async function keptRoles(db: Db, signOn: SignOnRow, subject: string): Promise<readonly Wanted[]> {
  const identity = await findIdentity(db, signOn.issuer, subject);
  const user = identity === undefined ? undefined : await findUserOf(db, signOn.id, identity.person_id);
  return user === undefined ? [] : await rolesKeptFor(db, signOn, user.id);
}
