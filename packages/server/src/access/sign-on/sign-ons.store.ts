import type { Kysely } from 'kysely';
import type { RoleGrantRow } from '../../database/people-rows.ts';
import type { Database } from '../../database/schema.ts';
import type { PersonIdentityRow, SignOnRow } from '../../database/sign-on-rows.ts';
import { mappedRolesOf } from './sign-on.ts';

type Db = Kysely<Database>;

export async function findSignOn(db: Db, name: string): Promise<SignOnRow | undefined> {
  return await db.selectFrom('sign_ons').selectAll().where('name', '=', name).executeTakeFirst();
}

export async function listSignOns(db: Db): Promise<SignOnRow[]> {
  return await db.selectFrom('sign_ons').selectAll().orderBy('name').execute();
}

/** Who an issuer means, put out or not. */
export async function findIdentity(db: Db, issuer: string, subject: string): Promise<PersonIdentityRow | undefined> {
  return await db
    .selectFrom('person_identities')
    .selectAll()
    .where('issuer', '=', issuer)
    .where('subject', '=', subject)
    .executeTakeFirst();
}

/** Whether groups somewhere give a role of that name. */
export async function isMapped(db: Db, role: string): Promise<boolean> {
  const rows = await db.selectFrom('sign_ons').select('roles').execute();
  return rows.some((row) => mappedRolesOf(row).some((one) => one.role === role));
}

/** Whether somebody ever had a session. */
export async function hasSignedIn(db: Db, person: string): Promise<boolean> {
  const query = db.selectFrom('sessions').select('id').where('person_id', '=', person).limit(1);
  return (await query.executeTakeFirst()) !== undefined;
}

/** Whether a provider keeps people here. */
export async function keepsPeople(db: Db, signOn: string): Promise<boolean> {
  const query = db.selectFrom('scim_users').select('id').where('sign_on_id', '=', signOn).limit(1);
  return (await query.executeTakeFirst()) !== undefined;
}

export async function identitiesOf(db: Db, person: string): Promise<PersonIdentityRow[]> {
  return await db
    .selectFrom('person_identities')
    .selectAll()
    .where('person_id', '=', person)
    .where('state', '=', 'active')
    .orderBy('id')
    .execute();
}

/** Roles that a provider's groups gave, to anybody, beyond the id `after`. */
export async function rolesGivenBy(db: Db, signOn: string, after: string, limit: number): Promise<RoleGrantRow[]> {
  return await db
    .selectFrom('role_grants')
    .selectAll()
    .where('granted_by', '=', signOn)
    .where('state', '=', 'active')
    .where('id', '>', after)
    .orderBy('id')
    .limit(limit)
    .execute();
}

/** Ids of tokens of that name that are not revoked. */
export async function tokensNamed(db: Db, name: string, limit: number): Promise<string[]> {
  const query = db.selectFrom('tokens').select('id').where('name', '=', name).where('state', '=', 'active');
  return (await query.orderBy('id').limit(limit).execute()).map(({ id }) => id);
}

/** What a provider keeps here: some of it. */
export async function keptRows(
  db: Db,
  signOn: string,
  limit: number,
): Promise<{ readonly table: 'scim_users' | 'scim_groups'; readonly id: string }[]> {
  const found: { table: 'scim_users' | 'scim_groups'; id: string }[] = [];
  for (const table of ['scim_groups', 'scim_users'] as const) {
    const query = db
      .selectFrom(table as 'scim_users')
      .select('id')
      .where('sign_on_id', '=', signOn)
      .limit(limit);
    for (const { id } of await query.execute()) found.push({ table, id });
  }
  return found.slice(0, limit);
}
